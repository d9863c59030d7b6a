/**
 * What the facts about a consumer mean to whoever asks: facts in, verdicts out, without clock and thread.
 *
 * @module
 */

/**
 * Who asks: "health" and "ready" want to know whether the consumer does its work, "live" whether a
 * restart of the process would help, "started" whether it has begun.
 */
export type HealthProbe = "health" | "live" | "ready" | "started";

/** One thing that was looked at. */
export interface HealthCheck {
  /** What was looked at. */
  name: string;
  /** What was found. */
  status: "UP" | "DOWN";
  /**
   * The figures behind it. Where something has failed there is an `error`, with its `name`, its `code`
   * (or null) and its `message`, which may quote what is not for everybody.
   */
  data: Record<string, unknown>;
}

/** A verdict, and what it rests on. */
export interface Health {
  /** "UP" where every check is. */
  status: "UP" | "DOWN";
  /** Each check. */
  checks: HealthCheck[];
}

/** All probes. */
export const HEALTH_PROBES: readonly HealthProbe[] = ["health", "ready", "live", "started"];

/** How long the poller thread may take to answer. */
export const ANSWER_TIMEOUT_MS = 1_000;
/** How long it may be silent until only a restart helps. */
export const SILENCE_MS = 10_000;
/** What a handler may take beyond its time until its signal has been heard and its thread replaced. */
export const OVERTIME_MS = 10_000;
/** How long the group may stand still with something to read and nothing under way. */
export const STANDSTILL_MS = 60_000;
/** How long a user's own check may take. */
export const OWN_CHECK_TIMEOUT_MS = 5_000;

/** What is known of an error. */
export interface ErrorFacts {
  /** Its name. */
  name: string;
  /** Its code, if it has one. */
  code: string | null;
  /** What it says. */
  message: string;
}

/** What is known of a consumer. What does not apply is null: nobody asks for a thread before the start. */
export interface HealthFacts {
  /** Where it is in its life, and whether it has polled in its present run. */
  state: { state: string; hasPolled: boolean; error: ErrorFacts | null };
  /** Its poller thread: whether it has answered, and for how long it has not although it was asked. */
  thread: { answers: boolean; silentMs: number | null; unansweredMs: number } | null;
  /** Its polls; `ageMs` since the last good one. */
  poll: { ageMs: number | null; error: ErrorFacts | null } | null;
  /** Its membership in a group. */
  heartbeat: { ageMs: number | null; sessionTimeoutMs: number; group: string } | null;
  /** Its commits: those that failed since the start, and what the last one did if it failed. */
  commits: { failed: number; error: ErrorFacts | null } | null;
  /** The message that a ThreadManager's callback has. */
  message: { underWaySeconds: number } | null;
  /** The message that handlers have had for longest. */
  handlers: { oldestMs: number | null; handlerTimeoutMs: number } | null;
  /** Threads that run handlers, and those that hang and could not be ended. */
  handlerThreads: { running: number; abandoned: number } | null;
  /** For how long nothing has moved although it should. */
  progress: { standingStillMs: number } | null;
  /** What the user's own check has said. */
  ownCheck: { healthy: boolean; error: ErrorFacts | null } | null;
}

/** When a check is DOWN, for each probe that looks at it. */
interface Rule<Facts> {
  /** Name of the check. */
  readonly name: string;
  /** What of the facts is shown. */
  readonly data: (facts: Facts) => Record<string, unknown>;
  /** Whether it is DOWN for a probe; a probe that is not here does not look at it. */
  readonly down: { readonly [Probe in HealthProbe]?: (facts: Facts) => boolean };
}

type Rules = { readonly [Key in keyof HealthFacts]: Rule<NonNullable<HealthFacts[Key]>> };

const never = () => false;
/** A restart of the process does not bring a broker back: only those who wait for work want to know. */
const whereWorkIsDone = <Facts>(down: (facts: Facts) => boolean): Rule<Facts>["down"] => ({
  health: down,
  ready: down,
});
const exceptAtStart = <Facts>(down: (facts: Facts) => boolean): Rule<Facts>["down"] => ({
  health: down,
  ready: down,
  live: down,
});
const withError = ({ error }: { error: ErrorFacts | null }) => error === null ? {} : { error };

/** In the order in which they are told. */
const RULES: Rules = {
  state: {
    name: "state",
    data: (facts) => ({ state: facts.state, ...withError(facts) }),
    down: {
      ...whereWorkIsDone(({ state }) => state !== "running"),
      live: ({ state }) => state === "failed",
      started: ({ hasPolled }) => !hasPolled,
    },
  },
  thread: {
    name: "thread",
    data: ({ silentMs, unansweredMs }) => ({ silentMs, unansweredMs }),
    down: {
      ...whereWorkIsDone(({ answers }) => !answers),
      live: ({ unansweredMs }) => unansweredMs >= SILENCE_MS,
    },
  },
  poll: {
    name: "poll",
    data: (facts) => ({ ageMs: facts.ageMs, ...withError(facts) }),
    down: whereWorkIsDone(({ error }) => error !== null),
  },
  heartbeat: {
    name: "heartbeat",
    data: (facts) => ({ ...facts }),
    down: whereWorkIsDone((facts) => !isBeating(facts)),
  },
  commits: {
    name: "commits",
    data: (facts) => ({ failed: facts.failed, ...withError(facts) }),
    down: whereWorkIsDone(({ error }) => error !== null),
  },
  message: {
    name: "message",
    data: (facts) => ({ ...facts }),
    // A slow callback is no fault by itself: how long it may take is for the user to judge.
    down: { health: never },
  },
  handlers: {
    name: "handlers",
    data: (facts) => ({ ...facts }),
    down: exceptAtStart(({ oldestMs, handlerTimeoutMs }) =>
      (oldestMs ?? 0) > handlerTimeoutMs + OVERTIME_MS
    ),
  },
  handlerThreads: {
    name: "handler threads",
    data: (facts) => ({ ...facts }),
    down: {
      ...whereWorkIsDone(({ running, abandoned }) => running === 0 || abandoned > 0),
      live: ({ abandoned }) => abandoned > 0,
    },
  },
  progress: {
    name: "progress",
    data: (facts) => ({ ...facts }),
    down: exceptAtStart(({ standingStillMs }) => standingStillMs >= STANDSTILL_MS),
  },
  ownCheck: {
    name: "own check",
    data: withError,
    down: whereWorkIsDone(({ healthy }) => !healthy),
  },
};

/**
 * Judges.
 *
 * @param facts What is known.
 * @param probe Who asks.
 * @returns The verdict, with the checks that this probe looks at.
 */
export function judgeHealth(facts: HealthFacts, probe: HealthProbe): Health {
  const checks = (Object.keys(RULES) as (keyof HealthFacts)[])
    .flatMap((key) => apply(RULES[key] as Rule<unknown>, facts[key], probe));
  return { status: checks.every(({ status }) => status === "UP") ? "UP" : "DOWN", checks };
}

/** Names of the checks that a probe looks at, in their order. */
export function checksOf(probe: HealthProbe): string[] {
  return Object.values(RULES).filter(({ down }) => probe in down).map(({ name }) => name);
}

/** Whether the group still counts the member in, as far as is known. */
export function isBeating(
  { ageMs, sessionTimeoutMs }: { ageMs: number | null; sessionTimeoutMs: number },
): boolean {
  return ageMs !== null && ageMs < sessionTimeoutMs;
}

function apply(rule: Rule<unknown>, facts: unknown, probe: HealthProbe): HealthCheck[] {
  const down = rule.down[probe];
  if (facts === null || down === undefined) return [];
  return [{ name: rule.name, status: down(facts) ? "DOWN" : "UP", data: rule.data(facts) }];
}

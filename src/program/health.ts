/** Whether a consumer does what it is there for: gathers what its threads do, and has it judged. */

import { OptionsError } from "../errors.ts";
import { printValue } from "../options/print_value.ts";
import { encodeError } from "../threads/error_wire.ts";
import type { ConsumerRun } from "./consumer_run.ts";
import { errorFacts } from "./error_facts.ts";
import {
  ANSWER_TIMEOUT_MS,
  type Health,
  HEALTH_PROBES,
  type HealthFacts,
  type HealthProbe,
  judgeHealth,
} from "./judge_health.ts";
import type { OwnCheck } from "./own_check.ts";
import type { PollerRun } from "./poller_run.ts";

export type { Health, HealthCheck, HealthProbe } from "./judge_health.ts";

type State = Pick<PollerRun, "state">["state"] | "idle";

/**
 * Looks at a manager.
 *
 * @param probe Who asks.
 * @param state Where it is in its life.
 * @param run Its present or last run, or null.
 * @param settings What its heartbeats are measured by.
 * @returns The verdict.
 * @throws {OptionsError} If there is no such probe.
 */
export async function managerHealthOf(
  probe: HealthProbe,
  state: State,
  run: PollerRun | null,
  settings: { sessionTimeoutMs: number },
): Promise<Health> {
  const facts = await factsOf(probe, state, run, settings);
  if (run !== null && facts.thread !== null) {
    facts.message = { underWaySeconds: run.underWaySeconds };
  }
  return judgeHealth(facts, probe);
}

/**
 * Looks at a consumer.
 *
 * @param probe Who asks.
 * @param state Where it is in its life.
 * @param run Its present or last run, or null.
 * @param settings What it is measured by, and the user's own check.
 * @returns The verdict.
 * @throws {OptionsError} If there is no such probe.
 */
export async function consumerHealthOf(
  probe: HealthProbe,
  state: State,
  run: ConsumerRun | null,
  { sessionTimeoutMs, handlerTimeoutMs, ownCheck }: {
    sessionTimeoutMs: number;
    handlerTimeoutMs: number;
    ownCheck: OwnCheck | null;
  },
): Promise<Health> {
  const asksOwn = ownCheck !== null && state === "running" && run !== null &&
    (probe === "health" || probe === "ready");
  // Both at the same time: what the thread says is not to be older than it must.
  const own = asksOwn ? ownCheck.ask() : null;
  const facts = await factsOf(probe, state, run, { sessionTimeoutMs });
  // Also while it stops: a handler that hangs may be why it does, and keep it from that.
  if (run !== null && (facts.thread !== null || run.state === "stopping")) {
    const { oldestCallMs } = run;
    facts.handlers = {
      oldestMs: oldestCallMs === null ? null : Math.round(oldestCallMs),
      handlerTimeoutMs,
    };
  }
  if (run !== null && facts.thread !== null) {
    const { threads, standingStillMs } = run;
    if (threads !== null) {
      const running = threads.stats().filter(({ state }) => state === "running").length;
      facts.handlerThreads = { running, abandoned: threads.abandoned };
    }
    facts.progress = { standingStillMs };
  }
  if (own !== null) facts.ownCheck = await own;
  return judgeHealth(facts, probe);
}

async function factsOf(
  probe: HealthProbe,
  state: State,
  run: PollerRun | null,
  { sessionTimeoutMs }: { sessionTimeoutMs: number },
): Promise<HealthFacts> {
  if (!HEALTH_PROBES.includes(probe)) {
    const expected = HEALTH_PROBES.map((name) => JSON.stringify(name)).join(" or ");
    throw new OptionsError([{ option: "probe", value: printValue(probe), expected }]);
  }
  const asks = state === "running" && run !== null && probe !== "started";
  // Who asks for a probe gives up soon, and asks again and again.
  const answers = asks &&
    await (probe === "health" ? run.ping(ANSWER_TIMEOUT_MS) : run.pingSoon(ANSWER_TIMEOUT_MS));
  // It may have ended while it was asked.
  const error = run?.error ?? null;
  const facts: HealthFacts = {
    state: {
      state: run?.state ?? state,
      hasPolled: run?.hasStarted ?? false,
      error: error === null ? null : errorFacts(encodeError(error)),
    },
    thread: null,
    poll: null,
    heartbeat: null,
    commits: null,
    message: null,
    handlers: null,
    handlerThreads: null,
    progress: null,
    ownCheck: null,
  };
  if (!asks || run.state !== "running") return facts;
  const { answeredAt, unansweredMs, snapshot } = run;
  facts.thread = { answers, silentMs: since(answeredAt, Date.now()), unansweredMs };
  if (snapshot === null) return facts;
  // As of when it was taken: reading it may have waited for a handler that blocked this thread.
  const { at, group, heartbeatAt, polledAt, commitErrors } = snapshot;
  const wire = (error: typeof snapshot.error) => error === null ? null : errorFacts(error);
  facts.poll = { ageMs: since(polledAt, at), error: wire(snapshot.error) };
  if (group !== "none") {
    facts.heartbeat = { ageMs: since(heartbeatAt, at), sessionTimeoutMs, group };
  }
  facts.commits = { failed: commitErrors, error: wire(snapshot.commitError) };
  return facts;
}

function since(at: number | null, now: number): number | null {
  return at === null ? null : Math.max(0, now - at);
}

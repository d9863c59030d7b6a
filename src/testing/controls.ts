import { BrokerError } from "./errors.ts";
import { ERROR, errorCodeOf } from "./protocol/error_codes.ts";
import type { ApiName } from "./protocol/api_name.ts";
import type { WaitOptions, Watcher } from "./watcher.ts";

/** A request, as a control sees it. */
export interface ControlledRequest {
  /** The API's name in the protocol guide, such as "JoinGroup". */
  readonly api: ApiName;
  /** Its key on the wire, such as 11. */
  readonly apiKey: number;
  /** The version of the message. */
  readonly apiVersion: number;
  /** The node that was asked. */
  readonly nodeId: number;
  /** The name that the client gives itself; null where it gives none. */
  readonly clientId: string | null;
  /** The message, with the protocol guide's names in camel case; int64 are numbers, bytes Buffers. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** What happens to a request. Exactly one of the properties but `delayMs`, which goes with any. */
export interface ControlAction {
  /**
   * Waits this long first, in milliseconds; what else there is to do is done then, unless the client
   * has gone.
   */
  delayMs?: number;
  /**
   * The message to answer with, with the protocol guide's names in camel case, instead of handling
   * the request; null: there is no answer, and the connection goes on. Fields that the version of the
   * request does not have are left out, so that one answer does for several versions.
   */
  answer?: Record<string, unknown> | null;
  /** An error, by name or number, wherever the response can carry one, instead of handling it. */
  error?: string | number;
  /** Never answers. The connection stays open, and nothing more that comes on it is read. */
  hang?: true;
  /**
   * Closes the connection: `"request"` before the request is handled, `"response"` after, so that it
   * has happened and the client cannot know.
   */
  drop?: "request" | "response";
}

/**
 * Decides what happens to a request, at once or later; undefined: it is handled as ever. Of a
 * connection nothing more is read until it is decided.
 */
export type Decide = (
  request: ControlledRequest,
) => ControlAction | undefined | void | Promise<ControlAction | undefined | void>;

/** Which requests a control is for, and for how long. */
export interface ControlOptions {
  /**
   * Ends by itself after this many requests that it did something to; one that it still decides about
   * counts meanwhile. Default: it stays.
   */
  times?: number;
  /** Only requests to this node. Default: to all. */
  nodeId?: number;
}

/** A control in force. */
export interface Control extends Disposable {
  /** To how many requests it has done something. */
  readonly hits: number;
  /** How many requests it was asked about. */
  readonly seen: number;
  /** Takes it away; requests that it holds go on being held. */
  remove(): void;
  /**
   * Waits until it has done something to so many requests.
   *
   * @param count How many; default 1.
   * @param options For how long.
   * @returns The last of them; beyond the thousandth, the latest.
   */
  whenHit(count?: number, options?: WaitOptions): Promise<ControlledRequest>;
}

/** What is known of a request before its message is looked at. */
export interface Matchable {
  readonly apiKey: number;
  readonly nodeId: number;
}

interface ActiveControl extends Control {
  matches(request: Matchable): boolean;
  decide(request: ControlledRequest): Promise<ControlAction | undefined>;
}

/** More are only counted: a control may stay for as long as the broker, and requests may be large. */
const REMEMBERED_HITS = 1_000;

/** All controls of a broker; the newest is asked first. */
export class Controls {
  readonly #active = new Set<ActiveControl>();
  readonly #watcher: Watcher;

  /**
   * Makes a broker's controls, of which there are none yet.
   *
   * @param watcher Wakes those who wait for a control to hit.
   */
  constructor(watcher: Watcher) {
    this.#watcher = watcher;
  }

  /** Whether any control may be for a request; where not, its message need not be shown to any. */
  some(request: Matchable): boolean {
    for (const control of this.#active) if (control.matches(request)) return true;
    return false;
  }

  /**
   * Asks the controls in turn.
   *
   * @param request The request.
   * @returns What the first one decides that decides anything.
   * @throws {BrokerError} If a control decides what cannot be done, or whatever it throws itself.
   */
  async decide(request: ControlledRequest): Promise<ControlAction | undefined> {
    for (const control of [...this.#active].reverse()) {
      // Another one may have taken it away while this request waited.
      if (!this.#active.has(control) || !control.matches(request)) continue;
      const action = await control.decide(request);
      if (action !== undefined) return action;
    }
    return undefined;
  }

  /**
   * Adds a control.
   *
   * @param apiKey For this API; null: for all.
   * @param decide What it does.
   * @param options For which requests, and how long.
   * @returns The control.
   * @throws {BrokerError} With code `INVALID_CONTROL`.
   */
  add(apiKey: number | null, decide: Decide, { times, nodeId }: ControlOptions): Control {
    if (typeof decide !== "function") {
      throw new BrokerError(
        "INVALID_CONTROL",
        `Cannot take ${decide === null ? "null" : typeof decide} as a control: it is a function`,
      );
    }
    if (times !== undefined && (!Number.isSafeInteger(times) || times < 1)) {
      throw new BrokerError(
        "INVALID_CONTROL",
        `Cannot take ${times} as "times": it is an integer from 1`,
      );
    }
    const watcher = this.#watcher;
    let hits = 0;
    let seen = 0;
    // Requests that are being decided: of a control for one request only one is, at a time.
    let pending = 0;
    const hit: ControlledRequest[] = [];
    let lastHit: ControlledRequest | undefined;
    const remove = () => void this.#active.delete(control);
    const control: ActiveControl = {
      get hits() {
        return hits;
      },
      get seen() {
        return seen;
      },
      matches: (request) =>
        (apiKey === null || apiKey === request.apiKey) &&
        (nodeId === undefined || nodeId === request.nodeId) &&
        (times === undefined || hits + pending < times),
      async decide(request) {
        seen++;
        pending++;
        let action;
        try {
          action = checkedAction(await decide(request), request);
        } finally {
          pending--;
        }
        if (action === undefined) return undefined;
        hits++;
        lastHit = request;
        if (hits <= REMEMBERED_HITS) hit.push(request);
        if (hits === times) remove();
        watcher.changed();
        return action;
      },
      remove,
      whenHit: (count = 1, options = {}) =>
        watcher.when(
          () => hits < count ? undefined : hit[count - 1] ?? lastHit,
          () => `request ${count} of a control, which has had ${hits}`,
          options,
        ),
      [Symbol.dispose]: remove,
    };
    this.#active.add(control);
    return control;
  }

  /** Takes all away. */
  clear(): void {
    this.#active.clear();
  }
}

const KINDS = ["answer", "error", "hang", "drop"] as const;

function checkedAction(
  action: ControlAction | undefined | void,
  { api }: ControlledRequest,
): ControlAction | undefined {
  if (action === undefined || action === null) return undefined;
  const refuse = (what: string): never => {
    throw new BrokerError("INVALID_CONTROL", `Cannot do to ${api} what a control decides: ${what}`);
  };
  if (typeof action !== "object") {
    return refuse(`it is ${typeof action}, where an object or undefined is allowed`);
  }
  const kinds = KINDS.filter((kind) => action[kind] !== undefined);
  const unknown = Object.keys(action).filter((key) =>
    key !== "delayMs" && !(KINDS as readonly string[]).includes(key)
  );
  if (unknown.length > 0) return refuse(`"${unknown[0]}" is none of delayMs, ${KINDS.join(", ")}`);
  if (kinds.length > 1) return refuse(`only one of ${kinds.join(" and ")} is allowed`);
  const { delayMs, answer, error, drop, hang } = action;
  if (kinds.length === 0 && delayMs === undefined) return undefined;
  if (delayMs !== undefined && !(delayMs >= 0 && delayMs <= 2_147_483_647)) {
    return refuse(`delayMs is ${delayMs}, where 0 to 2147483647 is allowed`);
  }
  if (answer !== undefined && (typeof answer !== "object" || Array.isArray(answer))) {
    return refuse(`answer is ${Array.isArray(answer) ? "a list" : typeof answer}, not a message`);
  }
  if (drop !== undefined && drop !== "request" && drop !== "response") {
    return refuse(`drop is "${drop}", where "request" or "response" is allowed`);
  }
  if (hang !== undefined && hang !== true) return refuse("hang is allowed to be true only");
  if (error !== undefined && errorCodeOf(error) === undefined) {
    return refuse(
      `"${error}" is no error of Kafka's, such as ${Object.keys(ERROR).slice(2, 4).join(", ")}`,
    );
  }
  return action;
}

/** Whether a consumer does what it is there for, judged by what it does. */

import { decodeError } from "../threads/error_wire.ts";
import type { PollerRun } from "./poller_run.ts";

/** How long the thread may take to answer when health is asked for. */
const ANSWER_TIMEOUT_MS = 1_000;

/** One thing that was looked at. */
export interface HealthCheck {
  /** What was looked at. */
  name: string;
  /** What was found. */
  status: "UP" | "DOWN";
  /** The figures behind it. */
  data: Record<string, unknown>;
}

/** A verdict, and what it rests on. */
export interface Health {
  /** "UP" where every check is. */
  status: "UP" | "DOWN";
  /** Each check. */
  checks: HealthCheck[];
}

/**
 * Asks the thread, and judges.
 *
 * A rebalance and a standby without partitions are healthy: heartbeats tell whether the member is
 * alive, not what it has been given.
 */
export async function healthOf(
  state: string,
  run: PollerRun | null,
  { sessionTimeoutMs }: { sessionTimeoutMs: number },
): Promise<Health> {
  const checks: HealthCheck[] = [];
  const check = (name: string, up: boolean, data: Record<string, unknown>) =>
    void checks.push({ name, status: up ? "UP" : "DOWN", data });

  const answers = state === "running" && run !== null && await run.ping(ANSWER_TIMEOUT_MS);
  const error = run?.error ?? null;
  check("state", (run?.state ?? state) === "running", {
    state: run?.state ?? state,
    ...(error === null ? {} : { error: error.message }),
  });
  const snapshot = run?.snapshot ?? null;
  if (state === "running" && run !== null) {
    check("thread", answers, {
      silentMs: run.answeredAt === null ? null : Date.now() - run.answeredAt,
    });
    if (snapshot !== null) {
      const { group, heartbeatAt, polledAt } = snapshot;
      const pollError = snapshot.error === null ? null : decodeError(snapshot.error);
      check("poll", pollError === null, {
        ageMs: polledAt === null ? null : Date.now() - polledAt,
        ...(pollError === null ? {} : { error: pollError.message }),
      });
      if (group !== "none") {
        const ageMs = heartbeatAt === null ? null : Date.now() - heartbeatAt;
        check("heartbeat", ageMs !== null && ageMs < sessionTimeoutMs, {
          ageMs,
          sessionTimeoutMs,
          group,
        });
      }
    }
    // A slow message is no fault by itself; how long it has been under way is for the user to judge.
    check("message", true, { underWaySeconds: run.underWaySeconds });
  }
  return { status: checks.every(({ status }) => status === "UP") ? "UP" : "DOWN", checks };
}

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "#std/testing/bdd";
import {
  ANSWER_TIMEOUT_MS,
  checksOf,
  HEALTH_PROBES,
  type HealthFacts,
  judgeHealth,
  OVERTIME_MS,
  OWN_CHECK_TIMEOUT_MS,
  SILENCE_MS,
  STANDSTILL_MS,
} from "../../src/program/judge_health.ts";

const error = { name: "ConnectionError", code: "CONNECTION_FAILED", message: "no broker" };
const inState = (state: string, hasPolled: boolean): Partial<HealthFacts> => ({
  state: { state, hasPolled, error: null },
});
const thread = (answers: boolean, unansweredMs: number): Partial<HealthFacts> => ({
  thread: { answers, silentMs: 5, unansweredMs },
});
const heartbeat = (ageMs: number | null): Partial<HealthFacts> => ({
  heartbeat: { ageMs, sessionTimeoutMs: 7_000, group: "stable" },
});
const handlers = (oldestMs: number | null): Partial<HealthFacts> => ({
  handlers: { oldestMs, handlerTimeoutMs: 3_000 },
});

/** A consumer that has nothing wrong with it; of both kinds, so that there is everything. */
const WELL: HealthFacts = {
  state: { state: "running", hasPolled: true, error: null },
  thread: { answers: true, silentMs: 0, unansweredMs: 0 },
  poll: { ageMs: 12, error: null },
  heartbeat: { ageMs: 20, sessionTimeoutMs: 7_000, group: "stable" },
  commits: { failed: 3, error: null },
  message: { underWaySeconds: 0 },
  handlers: { oldestMs: null, handlerTimeoutMs: 3_000 },
  handlerThreads: { running: 2, abandoned: 0 },
  progress: { standingStillMs: 0 },
  ownCheck: { healthy: true, error: null },
};

/** What each situation of the documentation is in facts, and what is just short of it. */
const SITUATIONS: Record<
  string,
  { facts: Partial<HealthFacts>[]; short: Partial<HealthFacts>[] }
> = {
  "idle, or starting": {
    facts: [inState("idle", false), inState("starting", false)],
    short: [],
  },
  "running": { facts: [inState("running", true)], short: [] },
  "stopping or stopped, after it has polled": {
    facts: [inState("stopping", true), inState("stopped", true)],
    short: [],
  },
  "failed before it has polled": { facts: [inState("failed", false)], short: [] },
  "failed after it has polled": { facts: [inState("failed", true)], short: [] },
  "the poller thread has not answered within 1 s": {
    facts: [thread(false, 0), thread(false, SILENCE_MS - 1)],
    short: [thread(true, 0)],
  },
  "it was asked for 10 s, and has not answered": {
    facts: [thread(false, SILENCE_MS)],
    short: [],
  },
  "the last one failed": {
    facts: [{ poll: { ageMs: 1, error } }, { commits: { failed: 1, error } }],
    short: [{ poll: { ageMs: 1, error: null } }, { commits: { failed: 1, error: null } }],
  },
  "none was answered for `sessionTimeoutMs`": {
    facts: [heartbeat(7_000), heartbeat(null)],
    short: [heartbeat(6_999), { heartbeat: null }],
  },
  "the callback of a ThreadManager has a message, for however long": {
    facts: [{ message: { underWaySeconds: 86_400 } }],
    short: [],
  },
  "a handler has had a message for `handlerTimeoutMs` + 10 s": {
    facts: [handlers(3_000 + OVERTIME_MS + 1)],
    short: [handlers(3_000 + OVERTIME_MS), handlers(null)],
  },
  "none runs, as they are being replaced": {
    facts: [{ handlerThreads: { running: 0, abandoned: 0 } }],
    short: [{ handlerThreads: { running: 1, abandoned: 0 } }, { handlerThreads: null }],
  },
  "one hangs and cannot be ended (on Deno)": {
    facts: [{ handlerThreads: { running: 2, abandoned: 1 } }],
    short: [],
  },
  "there is something to read, and nothing has moved for 60 s": {
    facts: [{ progress: { standingStillMs: STANDSTILL_MS } }],
    short: [{ progress: { standingStillMs: STANDSTILL_MS - 1 } }],
  },
  "`healthCheck` has not returned `true` within 5 s, or has thrown": {
    facts: [{ ownCheck: { healthy: false, error: null } }, { ownCheck: { healthy: false, error } }],
    short: [{ ownCheck: { healthy: true, error: null } }, { ownCheck: null }],
  },
};

interface Row {
  check: string;
  situation: string;
  /** What each probe says: UP, DOWN or —. */
  verdicts: Record<string, string>;
}

const rows = await documentedRows();

describe("judgeHealth(), as docs/server.md has it", () => {
  for (const { check, situation, verdicts } of rows) {
    it(`${check}: ${situation}`, () => {
      const known = SITUATIONS[situation];
      assert(known !== undefined, "the test does not know this situation");
      const all = known.facts.filter((facts) => keyOf(check) in facts);
      assert(all.length > 0);
      for (const probe of HEALTH_PROBES) {
        for (const facts of all) {
          const { status, checks } = judgeHealth({ ...WELL, ...facts }, probe);
          const found = checks.find(({ name }) => name === check);
          assert.equal(found?.status ?? "—", verdicts[probe], `${probe}: ${JSON.stringify(facts)}`);
          // Nothing else has changed by it.
          assert.equal(status, found?.status ?? "UP", probe);
          assert.deepEqual(
            checks.filter((one) => one !== found && one.status === "DOWN"),
            [],
          );
        }
        for (const facts of known.short) {
          assert.equal(judgeHealth({ ...WELL, ...facts }, probe).status, "UP", probe);
        }
      }
    });
  }

  it("has a row for each check of each probe, and no other situations", () => {
    const inDocs = [...new Set(rows.map(({ check }) => check))];
    const inCode = [...new Set(HEALTH_PROBES.flatMap(checksOf))];
    assert.deepEqual(inDocs.toSorted(), inCode.toSorted());
    assert.deepEqual(
      [...new Set(rows.map(({ situation }) => situation))].toSorted(),
      Object.keys(SITUATIONS).toSorted(),
    );
    for (const probe of HEALTH_PROBES) {
      const looks = rows.filter(({ verdicts }) => verdicts[probe] !== "—");
      assert.deepEqual([...new Set(looks.map(({ check }) => check))], checksOf(probe), probe);
    }
  });

  it("has the limits that the code has", () => {
    assert.deepEqual(
      [ANSWER_TIMEOUT_MS, SILENCE_MS, OVERTIME_MS, STANDSTILL_MS, OWN_CHECK_TIMEOUT_MS],
      [1_000, 10_000, 10_000, 60_000, 5_000],
    );
  });
});

describe("judgeHealth()", () => {
  it("looks at nothing but the state where a consumer does not run", () => {
    const nothing = Object.fromEntries(Object.keys(WELL).map((key) => [key, null]));
    const facts = { ...nothing, ...inState("stopped", true) } as unknown as HealthFacts;
    for (const probe of HEALTH_PROBES) {
      assert.deepEqual(judgeHealth(facts, probe).checks.map(({ name }) => name), ["state"]);
    }
  });

  it("keeps name, code and message of errors apart, and shows none where there is none", () => {
    const facts = { ...WELL, poll: { ageMs: 3, error } };
    const { checks } = judgeHealth(facts, "ready");
    assert.deepEqual(checks.find(({ name }) => name === "poll")?.data, { ageMs: 3, error });
    const others = checks.filter(({ name }) => name !== "poll");
    assert(others.every(({ data }) => !("error" in data)));
  });
});

async function documentedRows(): Promise<Row[]> {
  const text = await readFile(new URL("../../docs/server.md", import.meta.url), "utf8");
  const section = text.split("\n## What is healthy\n")[1]!.split("\n## ")[0]!;
  const cells = section.split("\n").filter((line) => line.startsWith("|"))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const [, , ...probes] = cells[0]!;
  return cells.slice(2).map(([check, situation, ...verdicts]) => ({
    check: check!.replaceAll("`", ""),
    situation: situation!,
    verdicts: Object.fromEntries(probes.map((probe, index) => [probe, verdicts[index]!])),
  }));
}

/** The facts that a check is about. */
function keyOf(check: string): string {
  return check.replace(/ (\w)/g, (_, letter) => letter.toUpperCase());
}

import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import type { Message } from "../../src/message.ts";
import { namesOf, workBatch } from "./work.ts";
import { ExecutorRig } from "./rig.ts";

/** What becomes of a message. */
type Fate = "sync" | "slow sync" | "async" | "microtask" | "throw" | "reject" | "invalid" | "hang";

const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant<Fate>("sync") },
  { weight: 4, arbitrary: fc.constant<Fate>("async") },
  { weight: 2, arbitrary: fc.constant<Fate>("microtask") },
  fc.constantFrom<Fate>("slow sync", "throw", "reject", "invalid"),
);

type Step =
  | { do: "work"; runs: Fate[][]; assignment: number; solo: boolean }
  | { do: "settle"; which: number }
  | { do: "turn" }
  | { do: "release"; assignment: number }
  | { do: "abort"; assignment: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("work" as const),
      runs: fc.array(fc.array(fate, { minLength: 1, maxLength: 5 }), {
        minLength: 1,
        maxLength: 4,
      }),
      assignment: fc.integer({ min: 0, max: 2 }),
      solo: fc.boolean(),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("settle" as const), which: fc.nat(20) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("turn" as const) }) },
  fc.record({
    do: fc.constantFrom("release" as const, "abort" as const),
    assignment: fc.integer({ min: 0, max: 2 }),
  }),
);

describe("Executor", () => {
  for (const batches of [false, true]) {
    const kind = batches ? "batches" : "messages";
    it(`settles each of any ${kind} once, in order, within its limits`, async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 80, size: "max" }),
          fc.integer({ min: 1, max: 4 }),
          fc.boolean(),
          fc.boolean(),
          (steps, concurrency, skipsInvalid, watched) =>
            simulate(steps, { concurrency, skipsInvalid, batches, watched }),
        ),
        { numRuns: 200 },
      );
    });
  }
});

async function simulate(
  steps: readonly Step[],
  { concurrency, skipsInvalid, batches, watched }: {
    concurrency: number;
    skipsInvalid: boolean;
    batches: boolean;
    watched: boolean;
  },
): Promise<void> {
  const fates = new Map<string, Fate>();
  /** Name of a run to its messages. */
  const runOf = new Map<string, number>();
  const assignmentOf = new Map<string, number>();
  const releasedAssignments = new Set<number>();
  const pending: { names: string[]; settle: () => void }[] = [];
  const order = new Map<number, number[]>();
  const begunCalls = new Map<string, number>();
  let underWay = 0;
  let runs = 0;
  const nameOf = ({ offset }: Message) => `${Math.floor(offset / 100)}:${offset % 100}`;

  const rig: ExecutorRig = new ExecutorRig({
    options: { concurrency, skipsInvalid, batches, watched, batchSize: batches ? 5 : 1 },
    decode: (_bytes, message) => {
      if (fates.get(nameOf(message)) === "invalid") throw new Error("invalid");
      return 0;
    },
    handler: ((_context: unknown, _data: unknown, given: Message | Message[]) => {
      const messages = Array.isArray(given) ? given : [given];
      const names = messages.map(nameOf);
      const told = new Set(rig.begun);
      const last = rig.reports.findLast(({ begun }) => begun !== null);
      const listed = new Set(namesOf(last?.begun ?? null));
      for (const name of names) {
        if (watched) assert(told.has(name) && listed.has(name), `${name} has begun unannounced`);
        assert(!releasedAssignments.has(assignmentOf.get(name)!), `${name} was released`);
        begunCalls.set(name, (begunCalls.get(name) ?? 0) + 1);
        order.get(runOf.get(name)!)!.push(Number(name.split(":")[1]));
      }
      underWay++;
      assert(underWay <= concurrency);
      const fate = fates.get(names[0]!)!;
      if (fate === "slow sync") rig.time.time += 6;
      if (fate === "throw") {
        underWay--;
        throw new Error("thrown");
      }
      if (fate === "sync" || fate === "slow sync") {
        underWay--;
        return;
      }
      if (fate === "microtask") {
        return Promise.resolve().then(() => void underWay--);
      }
      return new Promise<void>((resolve, reject) => {
        pending.push({
          names,
          settle: () => {
            underWay--;
            if (fate === "reject") reject(new Error("rejected"));
            else resolve();
          },
        });
      });
    }) as never,
  });
  let sent = 0;
  let batch = 0;
  for (const step of steps) {
    if (step.do === "work") {
      if (releasedAssignments.has(step.assignment)) continue;
      // As the poller does it: nothing beyond the credit, but a batch call may overdraw by one run.
      let room = batches ? 5 : rig.credit - sent;
      if (rig.credit <= sent) continue;
      const list = (batches ? step.runs.slice(0, 1) : step.runs).map((run) => {
        const fitting = run.slice(0, room);
        room -= fitting.length;
        return fitting;
      }).filter(({ length }) => length > 0);
      const flat = list.flat();
      let index = 0;
      for (const run of list) {
        order.set(runs, []);
        for (const fate of run) {
          const name = `${batch}:${index++}`;
          fates.set(name, fate);
          runOf.set(name, runs);
          assignmentOf.set(name, step.assignment);
        }
        runs++;
      }
      sent += flat.length;
      rig.send({
        type: "work",
        batches: [
          workBatch(batch++, flat, {
            assignment: step.assignment,
            runs: list.map(({ length }) => length),
            solo: step.solo,
          }),
        ],
      });
    } else if (step.do === "turn") await rig.time.turn();
    else if (step.do === "settle") {
      pending.splice(step.which % (pending.length || 1), 1)[0]?.settle();
    } else if (step.do === "release") {
      releasedAssignments.add(step.assignment);
      rig.send({ type: "release", assignments: [step.assignment] });
    } else rig.send({ type: "abort", assignments: [step.assignment], reason: "revoked" });
  }
  await rig.time.turns();
  while (pending.length > 0) {
    pending.shift()!.settle();
    await rig.time.turns();
  }
  assert.equal(underWay, 0);
  const settled = [
    ...rig.finished,
    ...rig.released,
    ...rig.failed.map((name) => name.split(" ")[0]!),
  ];
  assert.deepEqual(settled.toSorted(), [...fates.keys()].toSorted());
  assert.equal(new Set(settled).size, settled.length);
  for (const indexes of order.values()) {
    assert.deepEqual(indexes, indexes.toSorted((a, b) => a - b));
  }
  for (const count of begunCalls.values()) assert.equal(count, 1);
  for (const { credit, begun, finished, released, failed } of rig.reports) {
    assert(credit >= 0);
    const names = [begun, finished, released].flatMap(namesOf);
    // A list of all that has not begun: some of it may have been in the one before.
    const announced = namesOf(begun);
    assert.equal(new Set(announced).size, announced.length);
    assert(credit > 0 || names.length > 0 || failed.length > 0, "a report says nothing");
  }
}

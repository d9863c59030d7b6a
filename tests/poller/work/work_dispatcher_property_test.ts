// Dispatchers under everything that can happen to them, in every configuration; see dispatcher_world.ts
// for what must hold. KAFKA_THREADS_TEST_RUNS=20000 has it run for longer.

import process from "node:process";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { type Event, type EventName, EVENTS, type Scenario, walk } from "./dispatcher_world.ts";

const RUNS = Number(process.env["KAFKA_THREADS_TEST_RUNS"] ?? 200);

const event: fc.Arbitrary<Event> = fc.record({
  do: fc.oneof(
    ...Object.entries(EVENTS).map(([name, weight]) => ({
      weight: weight * 10,
      arbitrary: fc.constant(name as EventName),
    })),
  ),
  // Without the bias to small numbers, which would have the same things happen to the same ones.
  a: fc.noBias(fc.nat(1_000)),
  b: fc.noBias(fc.nat(1_000)),
});

const lastResort = fc.constantFrom("stop", "skip", "skip", "dead-letter", "dead-letter");

const options: fc.Arbitrary<Scenario["options"]> = fc.record({
  order: fc.constantFrom("key", "key", "partition", "none"),
  each: fc.nat(5).map((number) => number === 0),
  handlerBatch: fc.option(
    fc.record({ size: fc.integer({ min: 1, max: 4 }), waitMs: fc.constantFrom(0, 5, 50) }),
    { freq: 2 },
  ),
  policy: fc.record({
    retries: fc.constantFrom(0, 1, 2, null),
    backoff: fc.constantFrom(
      { initialMs: 10, maxMs: 100, factor: 2 },
      { initialMs: 0, maxMs: 0, factor: 2 },
    ),
    then: lastResort,
    onInvalid: lastResort,
  }),
  metadataBytes: fc.constantFrom(4_096, 4_096, 14, 12, 0),
  maxInFlight: fc.record({
    messages: fc.constantFrom(2, 10, 50, 100),
    bytes: fc.constantFrom(300, 5_000, 20_000),
  }),
  batchSize: fc.integer({ min: 1, max: 12 }),
}) as fc.Arbitrary<Scenario["options"]>;

const scenario = (events: number): fc.Arbitrary<Scenario> =>
  fc.record({
    options,
    countsHanded: fc.nat(9).map((number) => number === 0),
    logs: fc.array(
      fc.array(fc.record({ gap: fc.constantFrom(0, 0, 0, 1, 5), key: fc.nat(3) }), {
        maxLength: 25,
        size: "max",
      }),
      { minLength: 1, maxLength: 3 },
    ),
    events: fc.array(event, { minLength: events / 4, maxLength: events, size: "max" }),
  }).map((scenario) => ({
    ...scenario,
    // Who commits each message handles a partition in order, and does not commit what is only read.
    ...(scenario.options.each
      ? { countsHanded: false, options: { ...scenario.options, order: "partition" } }
      : {}),
  }));

describe("WorkDispatcher in a group of two, whatever happens", () => {
  it("loses, repeats, reorders and hoards nothing, and comes to its end", () => {
    fc.assert(fc.property(scenario(200), (scenario) => void walk(scenario)), { numRuns: RUNS });
  });
});

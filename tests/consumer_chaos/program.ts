// The long versions of these tests, in a process of the runtime that is to be tested; scripts/chaos.ts
// starts it. It prints a line of figures for each scenario.
import process from "node:process";
import { sharedKafka } from "../support/kafka/mod.ts";
import { busyThreads } from "./scenarios/busy_threads.ts";
import { endlessLoop } from "./scenarios/endless_loop.ts";
import { type GroupAction, keyOrder } from "./scenarios/key_order.ts";
import { offsetMap } from "./scenarios/offset_map.ts";
import { orderedKills } from "./scenarios/ordered_kills.ts";
import { stuckKey } from "./scenarios/stuck_key.ts";

/** What the program is told, as JSON. */
export interface ChaosOptions {
  seed: number;
  /** How often the ordered consumer is killed. */
  rounds: number;
  /** How many messages the groups in order by key handle. */
  messages: number;
  driver: "kafkajs" | "platformatic";
  /** Names of scenarios; empty: all. */
  only: string[];
}

const COMING_AND_GOING: GroupAction[] = ["join", "join", "leave", "join", "leave", "join", "leave"];
const DYING: GroupAction[] = ["join", "join", "kill", "join", "kill", "join", "leave", "kill"];

const options: ChaosOptions = JSON.parse(process.argv[2]!);
const { seed, rounds, messages, driver, only } = options;
const { bootstrapServers } = await sharedKafka();
const common = { bootstrapServers, seed, driver };
const byKey = { ...common, messages, keys: 1_000, partitions: 6 };

const scenarios: Record<string, () => Promise<unknown>> = {
  "ordered-kills": () =>
    orderedKills({ ...common, rounds, messages: 100 * rounds, evicted: false }),
  "key-order": () => keyOrder({ ...byKey, actions: COMING_AND_GOING, crashes: 20, evicted: true }),
  "key-order-kills": () => keyOrder({ ...byKey, actions: DYING, crashes: 5, evicted: false }),
  "offset-map": () => offsetMap({ ...common, messages: 10_001, keys: 0, stuck: 0 }),
  "offset-map-by-key": () => offsetMap({ ...common, messages: 10_000, keys: 500, stuck: 10 }),
  "stuck-key": () => stuckKey({ bootstrapServers, messages: 20_000, every: 5, maxInFlight: 2_000 }),
  "busy-threads": () => busyThreads({ bootstrapServers, sessionTimeoutMs: 6_000, sessions: 3 }),
  "endless-loop": () => endlessLoop({ bootstrapServers, messages: 2_000, onStuck: "replace" }),
  "endless-loop-exit": () => endlessLoop({ bootstrapServers, messages: 2_000, onStuck: "exit" }),
};

const unknown = only.filter((name) => !(name in scenarios));
if (unknown.length > 0) {
  throw new Error(`Cannot run "${unknown}": there are ${Object.keys(scenarios).join(", ")}`);
}
for (const [name, run] of Object.entries(scenarios)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const since = performance.now();
  try {
    const figures = await run() as Record<string, unknown>;
    const seconds = ((performance.now() - since) / 1_000).toFixed(1);
    const text = Object.entries(figures)
      .filter(([, value]) => typeof value !== "object" || value === null)
      .map(([name, value]) => `${name} ${value}`).join(", ");
    console.log(`${name.padEnd(18)} ok, ${seconds} s: ${text}`);
  } catch (error) {
    console.log(`${name.padEnd(18)} FAILED with seed ${seed}:`, error);
    process.exitCode = 1;
  }
}

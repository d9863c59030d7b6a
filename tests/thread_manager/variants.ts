import type { KafkaOptions } from "../../mod.ts";
import type { RuntimeName } from "../../bench/support/runtimes.ts";
import { runsHere } from "../support/runs_here.ts";

/** One way to run a manager. */
export interface Variant {
  /** Names it in the report. */
  name: string;
  /** The options that make the difference. */
  consumer: Pick<KafkaOptions, "thread" | "driver">;
  /** Where it runs on Apache Kafka. */
  apacheOn: readonly RuntimeName[];
}

/** Every driver, in a thread of its own and on the program's. */
export const VARIANTS: readonly Variant[] = [
  variant("kafkajs", "worker", ["deno", "node"]),
  variant("kafkajs", "inline", ["bun"]),
  variant("platformatic", "worker", ["bun"]),
  variant("platformatic", "inline", ["deno", "node"]),
];

/** Those of them that run here. */
export const VARIANTS_HERE: readonly Variant[] = VARIANTS.filter(runsHere);

function variant(
  driver: "kafkajs" | "platformatic",
  thread: "worker" | "inline",
  apacheOn: readonly RuntimeName[],
): Variant {
  return { name: `with ${driver}, ${thread}`, consumer: { thread, driver }, apacheOn };
}

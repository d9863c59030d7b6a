import type { KafkaOptions } from "../../mod.ts";

/** One way to run a manager. */
export interface Variant {
  /** Names it in the report. */
  name: string;
  /** The options that make the difference. */
  consumer: Pick<KafkaOptions, "thread" | "driver">;
}

/** Every driver, in a thread of its own and on the program's. */
export const VARIANTS: readonly Variant[] = (["kafkajs", "platformatic"] as const).flatMap((
  driver,
) =>
  (["worker", "inline"] as const).map((thread): Variant => ({
    name: `with ${driver}, ${thread}`,
    consumer: { thread, driver },
  }))
);

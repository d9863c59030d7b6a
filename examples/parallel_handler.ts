// The handler of parallel.ts: this module is loaded once in each handler thread.
import { createHash } from "node:crypto";
import type {
  HandlerContext,
  Message,
  RetryIf,
  SetupContext,
  Teardown,
} from "@kafka-threads/kafka-threads";
import * as v from "valibot";

let thread = -1;

/** Any Standard Schema: of valibot, zod, arktype, … */
export const schema = v.object({ id: v.number() });

/** Runs before the thread's first message; what it returns runs before the thread ends. */
export function setup(context: SetupContext): Teardown {
  thread = context.thread;
  context.logger.info(`Thread ${thread} is set up`);
  return () => context.logger.info(`Thread ${thread} is torn down`);
}

/** No attempt makes sense of an order without a number. */
export const retryIf: RetryIf = (error) => !(error instanceof RangeError);

/** May compute for as long as it likes: the thread that polls Kafka is another one. */
export default function handle(
  { logger }: HandlerContext,
  { id }: v.InferOutput<typeof schema>,
  message: Message,
): void {
  if (id < 0) throw new RangeError(`There is no order ${id}`);
  let seal = message.text() ?? "";
  for (let round = 0; round < 1_000; round++) {
    seal = createHash("sha256").update(seal).digest("hex");
  }
  logger.info(`Order ${id} is sealed: ${seal.slice(0, 8)}`);
}

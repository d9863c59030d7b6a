import { currentRuntime, type RuntimeName } from "../../bench/support/runtimes.ts";
import { brokerKind } from "./kafka/shared.ts";

/**
 * Tells whether one of several ways to do something runs here: on the embedded broker, all of them do,
 * on every runtime. A thread between a driver and a program does not know which broker there is: on
 * Apache Kafka each runtime takes each driver once, and all runtimes together take every way.
 *
 * @param way Says in which runtimes it runs on Apache Kafka.
 * @returns Whether it runs in this one, on this broker.
 */
export function runsHere({ apacheOn }: { apacheOn: readonly RuntimeName[] }): boolean {
  return brokerKind === "embedded" || apacheOn.includes(currentRuntime());
}

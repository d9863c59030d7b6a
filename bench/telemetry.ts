/**
 * What OpenTelemetry costs handlers: executors without it, without an SDK, and with one. See README.md
 * beside this file.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { list, positive } from "./support/arguments.ts";
import { runChild } from "./support/child.ts";
import { compare, comparisonTable, type Contender, type Timing } from "./support/comparison.ts";
import { findRuntime, type Runtime, RUNTIMES } from "./support/runtimes.ts";
import type { Telemetry, TelemetryReading } from "./telemetry/executor.ts";

const { values } = parseArgs({
  options: {
    runtimes: { type: "string", default: RUNTIMES.join(",") },
    telemetry: { type: "string" },
    messages: { type: "string", default: "4000000" },
    rounds: { type: "string", default: "9" },
  },
});

/** What is registered, and how many messages of all are handled with it: a span costs microseconds. */
const CONTESTANTS: readonly { telemetry: Telemetry; name: string; share: number }[] = [
  { telemetry: "none", name: "no telemetry at all", share: 1 },
  { telemetry: "no_sdk", name: "no SDK registered", share: 1 },
  { telemetry: "metrics", name: "SDK of metrics", share: 0.05 },
  { telemetry: "always_off", name: "SDK, AlwaysOff sampler", share: 0.05 },
  { telemetry: "recording", name: "SDK, recording, no exporter", share: 0.025 },
];

const names = CONTESTANTS.map(({ telemetry }) => telemetry);
const chosen = values.telemetry === undefined ? names : list(values.telemetry, names);
const messages = positive("messages", values.messages);
const rounds = positive("rounds", values.rounds);
const runtimes: Runtime[] = [];
for (const name of list(values.runtimes, RUNTIMES)) runtimes.push(await findRuntime(name));

const contestants = runtimes.flatMap((runtime) =>
  CONTESTANTS.filter(({ telemetry }) => chosen.includes(telemetry))
    .map((contestant) => ({ runtime, ...contestant }))
);
const timings: Timing[] = [];
for (let round = 1; round <= rounds; round++) {
  for (const [contender, { runtime, telemetry, share }] of contestants.entries()) {
    const { messages: handled, cpuMs } = await runChild<TelemetryReading>(
      runtime,
      new URL("./telemetry/executor.ts", import.meta.url),
      { arguments: { telemetry, messages: Math.ceil(messages * share) }, timeoutMs: 120_000 },
    );
    timings.push({
      round,
      contender,
      // Of CPU time: on a machine that others use, it says more than the clock.
      messagesPerSecond: handled / cpuMs * 1_000,
      cpuMicroseconds: cpuMs / handled * 1_000,
    });
  }
  process.stderr.write(`round ${round} of ${rounds}\n`);
}
const contenders = contestants.map(({ runtime, name, telemetry }): Contender => ({
  name,
  runtime: runtime.name,
  ...telemetry === "none" && { measure: "of none" },
}));
console.log(comparisonTable(compare(contenders, timings)));

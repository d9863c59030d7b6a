/** Who is compared with whom by `consumers.ts`, and how each is told to go about it. */

import type { Peer, Reading } from "../peers/peers.ts";
import { runChild, runProgram } from "../support/child.ts";
import type { Contender } from "../support/comparison.ts";
import type { Runtime } from "../support/runtimes.ts";
import type { CpuReading } from "./cpu.ts";

/** What is compared. */
export type ContestName = "ordered" | "parallel" | "async" | "cpu";

/** All of it, in the order in which it is run. */
export const CONTESTS: readonly ContestName[] = ["ordered", "parallel", "async", "cpu"];

/** One who takes part, and how to let it read a topic. */
export interface Contestant extends Contender {
  /** Messages that it reads. */
  messages: number;
  /** Lets it read them, in a process of its own that may take so many milliseconds. */
  read(where: Where, timeoutMs: number): Promise<Reading | CpuReading>;
}

/** Where a contestant reads. */
export interface Where {
  /** The broker, `host:port,…`. */
  bootstrap: string;
  /** The group. */
  group: string;
  /** The topic. */
  topic: string;
}

/** What the contestants are chosen by. */
export interface Field {
  /** The runtimes that ours run in. */
  runtimes: readonly Runtime[];
  /** Baseplate, unless it is not asked for. */
  baseplate: Peer | undefined;
  /** Confluent Parallel Consumer, unless it is not asked for. */
  parallelConsumer: Peer | undefined;
  /** Messages of the topic. */
  messages: number;
  /** Messages that Baseplate reads of it. */
  baseplateMessages: number;
}

/** Milliseconds that each handler of the contest "async" waits. */
const HANDLER_MS = 10;
/** Handlers under way at once there: ours wait for timers, the peer's each take a thread. */
const CONCURRENCY = { ours: 1_000, peer: 100 };

/**
 * Names who takes part in a contest.
 *
 * @param name Which contest.
 * @param field What they are chosen by.
 * @returns The contestants, peers first.
 */
export function contestantsOf(name: ContestName, field: Field): Contestant[] {
  const { baseplate, parallelConsumer, messages, runtimes } = field;
  const few = Math.min(messages, field.baseplateMessages);
  switch (name) {
    case "ordered":
      return [
        ...["threads", "gevent"].flatMap((mode) =>
          [1, 500].flatMap((batch) =>
            peer(baseplate, `in order, batch ${batch}, ${mode}`, few, {
              language: "Python",
              measure: `by Baseplate's ${batch}, ${mode}`,
              arguments: {
                ...{ factory: "in-order", "batch-size": batch, threads: 1 },
                // As baseplate-serve runs it; without, as any Python program.
                ...mode === "gevent" && { gevent: "yes" },
              },
            })
          )
        ),
        ...runtimes.map((runtime) => ours(runtime, "createOrderedConsumer", "ordered", messages)),
      ];
    case "parallel":
      return [
        ...([["key", "by key"], ["none", "unordered"]] as const).flatMap(([order, text]) =>
          peer(parallelConsumer, text, messages, {
            language: "Java",
            measure: `by Parallel Consumer's ${order}`,
            arguments: { order },
          })
        ),
        ...peer(baseplate, "fast, batch 500, 4 threads", few, {
          language: "Python",
          measure: "by Baseplate's fast",
          arguments: { factory: "fast", "batch-size": 500, threads: 4 },
        }),
        ...(["key", "none"] as const).flatMap((order) =>
          runtimes.map((runtime) =>
            ours(runtime, `createParallelConsumer, order "${order}"`, "parallel", messages, {
              arguments: { order },
            })
          )
        ),
      ];
    case "async":
      return [
        ...peer(parallelConsumer, `by key, ${CONCURRENCY.peer} threads`, messages, {
          language: "Java",
          ideal: ideal(CONCURRENCY.peer),
          arguments: { order: "key", ...waiting(CONCURRENCY.peer) },
        }),
        ...runtimes.flatMap((runtime) => [
          ours(runtime, "timers alone, no Kafka", "timers", messages, {
            ideal: ideal(CONCURRENCY.ours),
            arguments: waiting(CONCURRENCY.ours),
          }),
          ours(
            runtime,
            `createParallelConsumer, ${CONCURRENCY.ours} at once`,
            "parallel",
            messages,
            {
              ideal: ideal(CONCURRENCY.ours),
              arguments: { order: "key", ...waiting(CONCURRENCY.ours) },
            },
          ),
        ]),
      ];
    case "cpu":
      return runtimes.flatMap((runtime) =>
        [1, 2].map((threads) =>
          ours(
            runtime,
            `handler module, ${threads} ${threads === 1 ? "thread" : "threads"}`,
            "cpu",
            messages,
            {
              ...threads === 1 && { measure: "by 1 thread" },
              arguments: { threads },
            },
          )
        )
      );
  }
}

type Told = Record<string, string | number>;

function waiting(concurrency: number): Told {
  return { concurrency, "handler-ms": HANDLER_MS };
}

function ideal(concurrency: number): number {
  return concurrency * 1_000 / HANDLER_MS;
}

/** One of ours: a file of this folder, in one runtime. */
function ours(
  runtime: Runtime,
  name: string,
  file: string,
  messages: number,
  options: { measure?: string; ideal?: number; arguments?: Told } = {},
): Contestant {
  const { arguments: told, ...contender } = options;
  return {
    name,
    runtime: runtime.name,
    ...contender,
    messages,
    read: (where, timeoutMs) =>
      runChild(runtime, new URL(`./${file}.ts`, import.meta.url), {
        arguments: { ...where, messages, ...told },
        timeoutMs,
      }),
  };
}

/** A peer in one of its ways, or why there is none; nothing where it is not asked for. */
function peer(
  found: Peer | undefined,
  way: string,
  messages: number,
  options: { language: string; measure?: string; ideal?: number; arguments: Told },
): Contestant[] {
  if (!found) return [];
  const { language, arguments: told, ...contender } = options;
  return [{
    name: `${found.title}, ${way}`,
    runtime: language,
    ...contender,
    ...!found.ok && { missing: found.reason },
    messages,
    read: (where, timeoutMs) => {
      if (!found.ok) throw new Error(found.reason);
      return runProgram(found.program, {
        arguments: { ...where, messages, ...told },
        timeoutMs,
      });
    },
  }];
}

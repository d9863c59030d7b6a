/**
 * The consumers that ours are compared with, from PyPI and Maven Central, each a program of its own.
 *
 * All are told `--bootstrap`, `--group`, `--topic` and `--messages`, read the topic from its beginning,
 * decode each message from JSON, count, and print a {@linkcode Reading} when they have handled so many
 * messages. A group is named `bench.x`, as Baseplate insists.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { javaCommand } from "../../tests/support/kafka/java.ts";
import { classPathOf, javaCanRun, type JavaLibrary } from "../../tests/support/kafka/maven.ts";
import { pythonWith } from "../../tests/support/python.ts";
import type { Program } from "../support/child.ts";

/** What a contestant of `consumers.ts` prints. */
export interface Reading {
  /** Messages that were handled. */
  messages: number;
  /** The sum of their field `n`. */
  sum: number;
  /** Seconds from the beginning of the first handler to the end of the last. */
  seconds: number;
  /** CPU seconds of the whole process meanwhile, all threads. */
  cpuSeconds: number;
}

/** Who they are compared with. */
export type PeerName = "baseplate" | "parallel_consumer";

/** All of them. */
export const PEERS: readonly PeerName[] = ["baseplate", "parallel_consumer"];

/** A peer, or why it cannot be had. */
export type Peer =
  & { title: string }
  & ({ ok: true; program: Program } | { ok: false; reason: string });

const BASEPLATE_VERSION = "2.7.1";
const POM = fileURLToPath(new URL("./pom.xml", import.meta.url));

/**
 * Finds a peer; the first call on a machine fetches it, which takes a minute.
 *
 * @param name Who.
 * @returns The program that stands for it, or the reason to print in its stead.
 */
export function findPeer(name: PeerName): Promise<Peer> {
  return name === "baseplate" ? findBaseplate() : findParallelConsumer();
}

async function findBaseplate(): Promise<Peer> {
  const title = `Baseplate ${BASEPLATE_VERSION}`;
  const python = await pythonWith({
    name: "baseplate",
    requirement: `baseplate[kafka]==${BASEPLATE_VERSION}`,
    module: "baseplate.frameworks.queue_consumer.kafka",
    sources: ["thrift-unofficial"],
  });
  if (!python.ok) return { title, ...python };
  const file = fileURLToPath(new URL("./baseplate_consumer.py", import.meta.url));
  return {
    title,
    ok: true,
    program: { name: title, executable: python.command, arguments: [file] },
  };
}

async function findParallelConsumer(): Promise<Peer> {
  const pom = await readFile(POM, "utf8");
  const version = /<artifactId>parallel-consumer-core<\/artifactId>\s*<version>([^<]+)/.exec(pom)
    ?.[1];
  const title = `Confluent Parallel Consumer ${version}`;
  const library: JavaLibrary = { title, name: "parallel-consumer", pom: POM, oldestJava: 17 };
  const available = await javaCanRun(library);
  if (!available.ok) return { title, ...available };
  try {
    const classPath = await classPathOf(library);
    const file = fileURLToPath(new URL("./parallel_consumer.java", import.meta.url));
    return {
      title,
      ok: true,
      // Java compiles the one file as it starts it.
      program: { name: title, executable: javaCommand(), arguments: ["-cp", classPath, file] },
    };
  } catch (error) {
    return { title, ok: false, reason: (error as Error).message.split("\n")[0]! };
  }
}

import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join, matchesGlob, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrokerKind } from "../../tests/support/kafka/shared.ts";
import type { RuntimeName } from "./runtimes.ts";

/** The root of the repository. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** Who imports one of these gets a Kafka of the kind that the run is for. */
const EITHER_BROKER =
  /^import \{[^}]*\b(?:sharedKafka|startKafka)\b[^}]*\} from "[^"]*\/kafka\/(?:mod|shared)\.ts"/m;

/** Who loads these starts processes or threads, and who asks these measures its own process. */
const ALONE =
  /^import .* from "node:(?:child_process|worker_threads)"|\bstartWorker\b|\b(?:memory|cpu)Usage\(/m;

/** A file of tests. */
export interface TestFile {
  /** From the root of the repository on. */
  path: string;
  /** In which runs it takes part. */
  brokers: readonly BrokerKind[];
  /** The only runtime it is for; undefined: it is for all. */
  runtime: RuntimeName | undefined;
  /** Whether one runtime is enough on Apache Kafka: such files take turns. */
  takesTurns: boolean;
  /** Whether it wants a process of its own: it starts others, or threads, or measures the one it is in. */
  alone: boolean;
  /** Whether it takes much longer than most: begun last, it would run on alone. */
  long: boolean;
}

/**
 * Finds the tests, those first that take longest.
 *
 * @param only Files whose path matches this glob, or contains it; default: all.
 * @returns The files.
 * @throws {Error} If no file matches.
 */
export async function findTests(only: string | undefined): Promise<TestFile[]> {
  const folder = join(ROOT, "tests");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith("_test.ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => only === undefined || path.includes(only) || matchesGlob(path, only))
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  if (paths.length === 0) {
    throw new Error(`Cannot find tests: no file matches "${only ?? "tests"}"`);
  }
  const modules = new Modules();
  return await Promise.all(paths.map(async (path): Promise<TestFile> => {
    const loaded = await modules.loadedBy(path);
    return {
      path,
      brokers: brokersOf(path, loaded),
      // Below a folder named after a runtime are the tests of what only that one has.
      runtime: /\/(deno|bun|node)\//.exec(path)?.[1] as RuntimeName | undefined,
      takesTurns: TAKES_TURNS.test(path),
      long: rank(path) < LONG.length,
      alone: [...loaded.values()].some((text) => ALONE.test(text)),
    };
  }));
}

/**
 * On Apache Kafka, these run in one runtime each; all of them together see to each runtime. What is above
 * the drivers does not know which broker there is, and runs on the embedded one in every runtime; what
 * the embedded one is held against does not know who asks. Every runtime meets Apache Kafka in what is
 * at the border: the drivers, what must hold with each of them, faults, kills and rebalances.
 */
const TAKES_TURNS = new RegExp(
  [
    /^tests\/(?:consumer|thread_manager)\/(?!core_test|fault_(?:broker|rebalance|security))/,
    /^tests\/consumer_chaos\/(?:busy_threads|endless_loop|stuck_key)_test/,
    /^tests\/testing\//,
  ].map(({ source }) => source).join("|"),
);

/**
 * Tells in which runtimes a file runs on a broker.
 *
 * @param file The file.
 * @param broker The broker.
 * @param runtimes Those there are.
 * @returns Some of them.
 */
export function runtimesOf<Name extends RuntimeName>(
  { path, brokers, runtime, takesTurns }: TestFile,
  broker: BrokerKind,
  runtimes: readonly Name[],
): readonly Name[] {
  if (!brokers.includes(broker)) return [];
  if (runtime !== undefined) return runtimes.filter((name) => name === runtime);
  if (broker === "embedded" || !takesTurns || runtimes.length === 0) return runtimes;
  // By its name, so that a file runs where it ran before, whichever others there are.
  const turn = [...path].reduce((sum, char) => sum + char.charCodeAt(0), 0);
  return [runtimes[turn % runtimes.length]!];
}

/** What takes longest, and what takes less long, by what is in their paths. */
const LONG: readonly (readonly string[])[] = [
  ["fault_broker", "apache_kafka_test", "testing/million", "npm_package", "conformance/"],
  [
    "fault_",
    "drivers/kafkajs_test",
    "drivers/platformatic_test",
    "scale/",
    "consumer_chaos/",
    "core_test",
    "broken_test",
    "demo_test",
    "embedded_kafka_test",
    "unreachable_test",
    "garbage_test",
    "resources_test",
    "process_test",
  ],
];

/** How early a file has its turn: the lower, the earlier. */
function rank(path: string): number {
  const found = LONG.findIndex((parts) => parts.some((part) => path.includes(part)));
  return found === -1 ? LONG.length : found;
}

/**
 * What takes either Kafka runs on both, and what takes none, or an embedded one anyway, runs once, where
 * no Java is needed. Tests that need Apache Kafka, to compare or to test how it is started, say so in
 * their names.
 */
function brokersOf(path: string, loaded: Map<string, string>): readonly BrokerKind[] {
  if (basename(path).includes("apache")) return ["apache"];
  for (const text of loaded.values()) {
    if (EITHER_BROKER.test(text)) return ["embedded", "apache"];
  }
  return ["embedded"];
}

/** `from "./x.ts"`, `import "./x.ts"` and `import("./x.ts")`, unless only types are meant. */
const IMPORT =
  /^(?:import|export)\s(?!type\s)[^"';]*?"(\.[^"]+\.ts)"|\bimport\(\s*"(\.[^"]+\.ts)"/gm;

/** The modules of this repository. */
class Modules {
  readonly #texts = new Map<string, Promise<string>>();

  /** What a test loads, directly or not, and itself: the texts, by their paths from the root on. */
  async loadedBy(test: string): Promise<Map<string, string>> {
    const found = new Map([[test, ""]]);
    // What is added meanwhile is looked at too.
    for (const path of found.keys()) {
      const text = await this.#text(path);
      found.set(path, text);
      for (const [, statement, call] of text.matchAll(IMPORT)) {
        const imported = join(dirname(path), (statement ?? call)!);
        if (!found.has(imported)) found.set(imported, "");
      }
    }
    return found;
  }

  /** What a module consists of; nothing, where a comment or a text only looks like an import. */
  #text(path: string): Promise<string> {
    let text = this.#texts.get(path);
    if (text === undefined) {
      this.#texts.set(path, text = readFile(join(ROOT, path), "utf8").catch(() => ""));
    }
    return text;
  }
}

import { readdir, readFile } from "node:fs/promises";
import { basename, join, matchesGlob, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrokerKind } from "../../tests/support/kafka/shared.ts";
import type { RuntimeName } from "./runtimes.ts";

/** The root of the repository. */
export const ROOT: string = fileURLToPath(new URL("../../", import.meta.url));

/** Who imports one of these gets a Kafka of the kind that the run is for. */
const EITHER_BROKER =
  /^import \{[^}]*\b(?:sharedKafka|startKafka)\b[^}]*\} from "[^"]*\/kafka\/(?:mod|shared)\.ts"/m;

/** A file of tests. */
export interface TestFile {
  /** From the root of the repository on. */
  path: string;
  /** In which runs it takes part. */
  brokers: readonly BrokerKind[];
  /** The only runtime it is for; undefined: it is for all. */
  runtime: RuntimeName | undefined;
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
  return await Promise.all(paths.map(async (path): Promise<TestFile> => ({
    path,
    brokers: await brokersOf(path, modules),
    // Below a folder named after a runtime are the tests of what only that one has.
    runtime: /\/(deno|bun|node)\//.exec(path)?.[1] as RuntimeName | undefined,
  })));
}

/** What takes longest begins first: begun last, it would run on alone. */
function rank(path: string): number {
  if (/fault_broker|apache_kafka_test|testing\/million|conformance\/\w+_test/.test(path)) return 0;
  return /fault_|\/drivers\/\w+_test|\/scale\/|core_test|broken_test|npm_package/.test(path)
    ? 1
    : 2;
}

/**
 * What takes either Kafka runs on both, and what takes none, or an embedded one anyway, runs once, where
 * no Java is needed. Tests that need Apache Kafka, to compare or to test how it is started, say so in
 * their names.
 */
async function brokersOf(path: string, modules: Modules): Promise<readonly BrokerKind[]> {
  if (basename(path).includes("apache")) return ["apache"];
  for (const module of await modules.loadedBy(join(ROOT, path))) {
    if (EITHER_BROKER.test(await modules.text(module))) return ["embedded", "apache"];
  }
  return ["embedded"];
}

/** `from "./x.ts"`, `import "./x.ts"` and `import("./x.ts")`, unless only types are meant. */
const IMPORT =
  /^(?:import|export)\s(?!type\s)[^"';]*?"(\.[^"]+\.ts)"|\bimport\(\s*"(\.[^"]+\.ts)"/gm;

/** The modules of this repository. */
class Modules {
  readonly #texts = new Map<string, Promise<string>>();

  /** What a module consists of; nothing, where a comment or a text only looks like an import. */
  text(path: string): Promise<string> {
    let text = this.#texts.get(path);
    if (text === undefined) {
      this.#texts.set(path, text = readFile(path, "utf8").catch(() => ""));
    }
    return text;
  }

  /** All that a module loads, directly or not, and itself. */
  async loadedBy(path: string): Promise<Set<string>> {
    const found = new Set([path]);
    // What is added meanwhile is looked at too.
    for (const module of found) {
      for (const [, statement, call] of (await this.text(module)).matchAll(IMPORT)) {
        found.add(resolve(module, "..", (statement ?? call)!));
      }
    }
    return found;
  }
}

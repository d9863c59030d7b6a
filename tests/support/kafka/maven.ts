import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { CACHE_FOLDER, javaVersion, runProgram } from "./java.ts";

/** Something of Maven Central that Java runs. */
export interface JavaLibrary {
  /** What reasons and errors call it. */
  title: string;
  /** Where the names of its files in the cache begin. */
  name: string;
  /** Path of the `pom.xml` whose dependencies it is. */
  pom: string;
  /** The oldest Java that runs it. */
  oldestJava: number;
}

/** Whether something can run here, and if not, why. */
export type Availability = { ok: true } | { ok: false; reason: string };

/**
 * Tells whether {@linkcode classPathOf} can work on this machine, and Java can run what it gives.
 *
 * @param library What to run.
 * @returns `ok`, or the reason to print where it is missed.
 */
export async function javaCanRun(library: JavaLibrary): Promise<Availability> {
  const { title, oldestJava } = library;
  const java = await javaMajorVersion();
  if (java === undefined) {
    return { ok: false, reason: `${title} needs Java ${oldestJava}, and there is no "java"` };
  }
  if (java < oldestJava) {
    return { ok: false, reason: `${title} needs Java ${oldestJava}, and "java" is ${java}` };
  }
  if (await cachedClassPath(library) !== undefined) return { ok: true };
  const maven = await runProgram("mvn", ["-v"]);
  if (maven.error) {
    return { ok: false, reason: `Maven has to fetch ${title} once, and there is no "mvn"` };
  }
  return { ok: true };
}

/**
 * Resolves the jars of a library. The first call on a machine lets Maven fetch them, which takes a
 * while; the result is kept under `node_modules/.cache`, one file per content of `pom.xml`.
 *
 * @param library What to run.
 * @returns The class path, ready for `java -cp`.
 * @throws {Error} When Maven is missing or cannot resolve the jars.
 */
export async function classPathOf(library: JavaLibrary): Promise<string> {
  const cached = await cachedClassPath(library);
  if (cached !== undefined) return cached;
  const target = await cacheFile(library);
  // Two processes may do this at once: each writes its own file, and the rename is atomic.
  const draft = `${target}.${process.pid}.${Date.now()}`;
  await mkdir(CACHE_FOLDER, { recursive: true });
  try {
    const maven = await runProgram("mvn", [
      "-q",
      "-B",
      "-f",
      library.pom,
      "dependency:build-classpath",
      `-Dmdep.outputFile=${draft}`,
    ]);
    if (maven.error) {
      throw new Error(`Cannot fetch ${library.title} with Maven: ${maven.output.trim()}`, {
        cause: maven.error,
      });
    }
    await writeFile(draft, (await readFile(draft, "utf8")).trim());
    await rename(draft, target);
    return await readFile(target, "utf8");
  } finally {
    await rm(draft, { force: true });
  }
}

async function cacheFile({ name, pom }: JavaLibrary): Promise<string> {
  const key = createHash("sha256").update(await readFile(pom)).digest("hex").slice(0, 16);
  return join(CACHE_FOLDER, `${name}-${key}.classpath`);
}

async function cachedClassPath(library: JavaLibrary): Promise<string | undefined> {
  try {
    const classPath = await readFile(await cacheFile(library), "utf8");
    // Someone may have emptied Maven's repository since.
    await Promise.all(classPath.split(delimiter).map((jar) => access(jar)));
    return classPath;
  } catch {
    return undefined;
  }
}

async function javaMajorVersion(): Promise<number | undefined> {
  const version = /version "(?:1\.)?(\d+)/.exec(await javaVersion() ?? "")?.[1];
  return version === undefined ? undefined : Number(version);
}

import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { CACHE_FOLDER, javaVersion, runProgram } from "./java.ts";

const POM = fileURLToPath(new URL("./pom.xml", import.meta.url));
const OLDEST_JAVA = 17;

/** Whether Apache Kafka can run here, and if not, why. */
export type KafkaAvailability = { ok: true } | { ok: false; reason: string };

/**
 * Tells whether `startApacheKafka` can work on this machine.
 *
 * @returns `ok`, or the reason to print beside the skipped tests.
 */
export async function apacheStartable(): Promise<KafkaAvailability> {
  const java = await javaMajorVersion();
  if (java === undefined) {
    return { ok: false, reason: `Apache Kafka needs Java ${OLDEST_JAVA}, and there is no "java"` };
  }
  if (java < OLDEST_JAVA) {
    return { ok: false, reason: `Apache Kafka needs Java ${OLDEST_JAVA}, and "java" is ${java}` };
  }
  if (await cachedClassPath() !== undefined) return { ok: true };
  const maven = await runProgram("mvn", ["-v"]);
  if (maven.error) {
    return { ok: false, reason: `Maven has to fetch Apache Kafka once, and there is no "mvn"` };
  }
  return { ok: true };
}

/**
 * Resolves the jars of Apache Kafka. The first call on a machine lets Maven fetch them, which takes
 * a while; the result is kept under `node_modules/.cache`, one file per content of `pom.xml`.
 *
 * @returns The class path, ready for `java -cp`.
 * @throws {Error} When Maven is missing or cannot resolve the jars.
 */
export async function kafkaClassPath(): Promise<string> {
  const cached = await cachedClassPath();
  if (cached !== undefined) return cached;
  const target = await cacheFile();
  // Two processes may do this at once: each writes its own file, and the rename is atomic.
  const draft = `${target}.${process.pid}.${Date.now()}`;
  await mkdir(CACHE_FOLDER, { recursive: true });
  try {
    const maven = await runProgram("mvn", [
      "-q",
      "-B",
      "-f",
      POM,
      "dependency:build-classpath",
      `-Dmdep.outputFile=${draft}`,
    ]);
    if (maven.error) {
      throw new Error(`Cannot fetch Apache Kafka with Maven: ${maven.output.trim()}`, {
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

async function cacheFile(): Promise<string> {
  const key = createHash("sha256").update(await readFile(POM)).digest("hex").slice(0, 16);
  return join(CACHE_FOLDER, `kafka-${key}.classpath`);
}

async function cachedClassPath(): Promise<string | undefined> {
  try {
    const classPath = await readFile(await cacheFile(), "utf8");
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

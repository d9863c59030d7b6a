import { createHash } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { CACHE_FOLDER, javaVersion } from "./java.ts";

/**
 * Finds Java's archive of Kafka's classes, with which a broker starts in about half the time. The
 * first call on a machine makes it, which takes some seconds.
 *
 * @param classPath What the brokers run with.
 * @param rehearse Runs a broker up to a clean end, with the options for Java that it gets.
 * @returns The options for Java that use the archive; none if it cannot be made.
 */
export async function classArchiveOptions(
  classPath: string,
  rehearse: (options: string[]) => Promise<void>,
): Promise<string[]> {
  const key = createHash("sha256").update(`${await javaVersion()}\n${classPath}`).digest("hex");
  const archive = join(CACHE_FOLDER, `kafka-${key.slice(0, 16)}.jsa`);
  // Java runs without an archive that does not fit, and says so in the log.
  const use = [`-XX:SharedArchiveFile=${archive}`];
  if (await exists(archive)) return use;
  const draft = `${archive}.${process.pid}.${Date.now()}`;
  await mkdir(CACHE_FOLDER, { recursive: true });
  try {
    await rehearse([`-XX:ArchiveClassesAtExit=${draft}`]);
    await rename(draft, archive);
    return use;
  } catch {
    // It only saves time. What is really wrong shows when the brokers start.
    return [];
  } finally {
    await rm(draft, { force: true });
  }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch {
    return false;
  }
}

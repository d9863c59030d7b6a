// The clients that stand on librdkafka: confluent-kafka for Python, and kcat.
import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CACHE_FOLDER, runProgram } from "./kafka/java.ts";

const REQUIREMENT = "confluent-kafka>=2.6,<3";
/** Where Windows keeps the program of a virtual environment differs, and nobody tests there. */
const PYTHON_IN_FOLDER = join("bin", "python");

/** A program that tests need, or why there is none. */
export type Program = { ok: true; command: string } | { ok: false; reason: string };

/**
 * Finds a Python that has confluent-kafka. The first call on a machine makes a virtual environment
 * under `node_modules/.cache` and lets pip fetch the package; later ones take that.
 *
 * @returns The Python, or the reason to print beside the skipped tests.
 */
export async function confluentPython(): Promise<Program> {
  const version = await runProgram("python3", ["--version"]);
  if (version.error) {
    return { ok: false, reason: `confluent-kafka needs Python, and there is no "python3"` };
  }
  const key = createHash("sha256").update(`${REQUIREMENT} ${version.output}`).digest("hex");
  const folder = join(CACHE_FOLDER, `confluent-kafka-${key.slice(0, 16)}`);
  const command = join(folder, PYTHON_IN_FOLDER);
  if (await works(command)) return { ok: true, command };

  // Two processes may do this at once: each fills its own folder, and the first rename wins. A
  // virtual environment finds its packages beside its program, wherever that is moved to.
  const draft = `${folder}.${randomUUID()}`;
  await mkdir(CACHE_FOLDER, { recursive: true });
  try {
    const python = join(draft, PYTHON_IN_FOLDER);
    for (
      const [program, ...args] of [
        ["python3", "-m", "venv", draft],
        [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:", REQUIREMENT],
      ] as [string, ...string[]][]
    ) {
      const { error, output } = await runProgram(program, args);
      if (error) {
        const lines = output.trim().split("\n");
        return {
          ok: false,
          reason: `Cannot install ${REQUIREMENT} for Python: ${lines.at(-1) || error.message}`,
        };
      }
    }
    await rename(draft, folder).catch(async (error) => {
      if (await works(command)) return;
      // What is there is broken: its Python may have been upgraded away.
      await rm(folder, { recursive: true, force: true });
      await rename(draft, folder).catch(() => {
        throw error;
      });
    });
    return { ok: true, command };
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/**
 * Finds kcat, which Debian has as a package.
 *
 * @returns The command, or the reason to print beside the skipped tests.
 */
export async function kcat(): Promise<Program> {
  const { error } = await runProgram("kcat", ["-V"]);
  return error
    ? { ok: false, reason: `There is no "kcat" on the path` }
    : { ok: true, command: "kcat" };
}

async function works(python: string): Promise<boolean> {
  try {
    await access(python);
  } catch {
    return false;
  }
  return (await runProgram(python, ["-c", "import confluent_kafka"])).error === null;
}

import { createHash, randomUUID } from "node:crypto";
import { access, mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { CACHE_FOLDER, runProgram } from "./kafka/java.ts";

/** Where Windows keeps the program of a virtual environment differs, and nobody tests there. */
const PYTHON_IN_FOLDER = join("bin", "python");

/** A program that tests need, or why there is none. */
export type Program = { ok: true; command: string } | { ok: false; reason: string };

/** A package of PyPI. */
export interface PythonPackage {
  /** What reasons call it, and where the name of its folder begins. */
  name: string;
  /** Which versions, and with which extras, as pip takes it. */
  requirement: string;
  /** The module whose import tells that it is there. */
  module: string;
  /** Packages it depends on that PyPI has as source code only. Default: none. */
  sources?: readonly string[];
}

/**
 * Finds a Python that has a package. The first call on a machine makes a virtual environment under
 * `node_modules/.cache` and lets pip fetch the package; later ones take that.
 *
 * @param wanted The package.
 * @returns The Python, or the reason to print where it is missed.
 */
export async function pythonWith(wanted: PythonPackage): Promise<Program> {
  const { name, requirement, module, sources = [] } = wanted;
  const version = await runProgram("python3", ["--version"]);
  if (version.error) {
    return { ok: false, reason: `${name} needs Python, and there is no "python3"` };
  }
  const key = createHash("sha256").update(`${requirement} ${version.output}`).digest("hex");
  const folder = join(CACHE_FOLDER, `${name}-${key.slice(0, 16)}`);
  const command = join(folder, PYTHON_IN_FOLDER);
  if (await works(command, module)) return { ok: true, command };

  // Two processes may do this at once: each fills its own folder, and the first rename wins. A
  // virtual environment finds its packages beside its program, wherever that is moved to.
  const draft = `${folder}.${randomUUID()}`;
  await mkdir(CACHE_FOLDER, { recursive: true });
  try {
    const python = join(draft, PYTHON_IN_FOLDER);
    const install = [
      ...["-m", "pip", "install", "--quiet", "--only-binary=:all:"],
      ...sources.map((source) => `--no-binary=${source}`),
      requirement,
    ];
    for (
      const [program, ...args] of [
        ["python3", "-m", "venv", draft],
        [python, ...install],
      ] as [string, ...string[]][]
    ) {
      const { error, output } = await runProgram(program, args);
      if (error) {
        const lines = output.trim().split("\n");
        return {
          ok: false,
          reason: `Cannot install ${requirement} for Python: ${lines.at(-1) || error.message}`,
        };
      }
    }
    await rename(draft, folder).catch(async (error) => {
      if (await works(command, module)) return;
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

async function works(python: string, module: string): Promise<boolean> {
  try {
    await access(python);
  } catch {
    return false;
  }
  return (await runProgram(python, ["-c", `import ${module}`])).error === null;
}

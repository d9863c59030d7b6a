import { access, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { findRuntime, type Runtime, type RuntimeName } from "../../bench/support/runtimes.ts";
import { runCommand } from "./processes.ts";

export { type Runtime, type RuntimeName, RUNTIMES } from "../../bench/support/runtimes.ts";

/** Where runtimes go that neither this machine nor its npm has. */
const FOLDER = fileURLToPath(new URL("../../dist/runtimes/", import.meta.url));

/**
 * Gets a runtime: this one, the one on the path, the one npm has, or, where there is no npm, the one
 * that Deno gets from npm's registry.
 *
 * @param name Which one.
 * @returns The runtime.
 * @throws {Error} If it cannot be had.
 */
export async function obtainRuntime(name: RuntimeName): Promise<Runtime> {
  try {
    return await findRuntime(name);
  } catch (cause) {
    const fromRegistry = FROM_REGISTRY[name];
    if (fromRegistry === undefined || process.versions["deno"] === undefined) throw cause;
    return await downloadRuntime(name, fromRegistry(), cause);
  }
}

interface Download {
  packageName: string;
  version: string;
  executable: string;
}

// npm's packages "bun" and "node" fetch these when they are installed, which Deno does not let them.
const FROM_REGISTRY: Partial<Record<RuntimeName, () => Download>> = {
  bun: () => ({
    packageName: `@oven/bun-${process.platform}-${
      // The plain one needs AVX2, which not every machine has.
      process.arch === "arm64" ? "aarch64" : "x64-baseline"}`,
    version: "1.4.5",
    executable: "bin/bun",
  }),
  node: () => ({
    packageName: `node-${process.platform}-${process.arch}`,
    version: "^24.0.0",
    executable: "bin/node",
  }),
};

async function downloadRuntime(
  name: RuntimeName,
  { packageName, version, executable }: Download,
  cause: unknown,
): Promise<Runtime> {
  const folder = join(FOLDER, name);
  const path = join(folder, "node_modules", packageName, executable);
  const isThere = () => access(path).then(() => true, () => false);
  if (!await isThere()) {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "deno.json"), `{ "nodeModulesDir": "auto", "lock": false }\n`);
    await writeFile(
      join(folder, "package.json"),
      `${JSON.stringify({ dependencies: { [packageName]: version } })}\n`,
    );
    const { code, output } = await runCommand([process.execPath, "install", "--quiet"], {
      cwd: folder,
      quiet: true,
    });
    if (code !== 0 || !await isThere()) {
      throw new Error(
        `Cannot get ${packageName} ${version} from npm's registry: ${output.trim()}`,
        {
          cause,
        },
      );
    }
  }
  const { output } = await runCommand([path, "--version"], { quiet: true });
  return { name, version: output.trim().replace(/^v/, ""), executable: path, arguments: [] };
}

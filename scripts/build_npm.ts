/**
 * `deno task npm`: makes the npm package, JavaScript and declarations, in `dist/npm`.
 *
 * @module
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runCommand } from "./support/processes.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** Its name there; JSR's needs a scope. */
const NAME = "kafka-threads";
/** The oldest Node that the package runs on. */
const OLDEST_NODE = 20;

/** Its entries, by what they are imported as. */
const ENTRIES = {
  ".": "mod",
  "./server": "src/server/mod",
  "./testing": "src/testing/mod",
  "./cli": "src/cli/mod",
  "./workers/poller": "workers/poller",
  "./workers/handler": "workers/handler",
} as const;

/** The command, which Node 20 does not run by `import.meta.main`. */
const COMMAND = `#!/usr/bin/env node
import process from "node:process";
import { main } from "../src/cli/mod.js";

process.exit(await main(process.argv.slice(2)));
`;

/** What Node 20 does not have, and by which function of the package's own it is replaced. */
const PONYFILLS: Record<string, string> = {
  "Promise.withResolvers": "withResolvers",
  "Map.groupBy": "groupBy",
};

// Functions, not additions to Promise and Map: importing a library changes nothing for others.
const PONYFILL_MODULE = `export function withResolvers() {
  let resolve, reject;
  const promise = new Promise((...settle) => [resolve, reject] = settle);
  return { promise, resolve, reject };
}

export function groupBy(items, keyOf) {
  const groups = new Map();
  let index = 0;
  for (const item of items) {
    const key = keyOf(item, index++);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
`;

/**
 * Makes the package.
 *
 * @param target The folder, which is emptied first.
 * @throws {Error} If TypeScript finds something wrong.
 */
export async function buildNpm(target: string): Promise<void> {
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await compile(target);
  await writeFile(join(target, "src", "ponyfills.js"), PONYFILL_MODULE);
  for (const file of await readdir(target, { recursive: true })) {
    if (file.endsWith(".js")) await usePonyfills(target, file);
  }
  await mkdir(join(target, "bin"));
  await writeFile(join(target, "bin", `${NAME}.js`), COMMAND, { mode: 0o755 });
  await writeManifest(target);
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) {
    await cp(join(ROOT, file), join(target, file)).catch((error) => {
      if (error.code !== "ENOENT") throw error;
    });
  }
}

async function compile(target: string): Promise<void> {
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await runCommand(
    [
      process.execPath,
      ...("Deno" in globalThis ? ["run", "--allow-all"] : []),
      compiler,
      ...Object.values(ENTRIES).map((path) => `${path}.ts`),
      // Reached only by an address that is put together at run time.
      "src/poller/main.ts",
      "src/cli/demo/invoices.ts",
      "src/cli/demo/world.ts",
      `--outDir ${target}`,
      `--rootDir .`,
      "--declaration",
      "--rewriteRelativeImportExtensions",
      "--target es2022",
      "--lib esnext,dom,dom.iterable,dom.asynciterable",
      "--module nodenext",
      "--types node",
      "--skipLibCheck",
      "--strict",
      // The files inside of kafkajs that the driver imports have no types.
      "--noImplicitAny false",
      "--exactOptionalPropertyTypes",
      "--noUncheckedIndexedAccess",
    ].flatMap((argument) => argument.startsWith("--") ? argument.split(" ") : [argument]),
    {
      cwd: ROOT,
      quiet: true,
    },
  );
  if (code !== 0) throw new Error(`Cannot compile the npm package: ${output}`);
}

async function usePonyfills(target: string, file: string): Promise<void> {
  const path = join(target, file);
  let text = await readFile(path, "utf8");
  const used = Object.entries(PONYFILLS).filter(([name]) => text.includes(`${name}(`));
  if (used.length === 0) return;
  for (const [name, replacement] of used) text = text.replaceAll(`${name}(`, `${replacement}(`);
  const from = relative(dirname(file), join("src", "ponyfills.js"));
  const names = used.map(([, replacement]) => replacement).join(", ");
  await writeFile(
    path,
    `import { ${names} } from "${from.startsWith(".") ? from : `./${from}`}";\n${text}`,
  );
}

async function writeManifest(target: string): Promise<void> {
  const source = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8"));
  const { version, description, license, dependencies } = source;
  const entry = (path: string) => ({ types: `./${path}.d.ts`, default: `./${path}.js` });
  const manifest = {
    name: NAME,
    version,
    description,
    license,
    type: "module",
    sideEffects: ["./workers/*.js"],
    exports: Object.fromEntries(Object.entries(ENTRIES).map(([name, path]) => [name, entry(path)])),
    bin: { [NAME]: `bin/${NAME}.js` },
    engines: { node: `>=${OLDEST_NODE}` },
    dependencies,
  };
  await writeFile(join(target, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const target = join(ROOT, "dist", "npm");
  await buildNpm(target);
  console.log(`The npm package is in ${relative(process.cwd(), target)}`);
}

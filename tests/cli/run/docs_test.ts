import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "#std/testing/bdd";
import { parse } from "yaml";
import { main } from "../../../src/cli/mod.ts";
import { runHandler } from "../../../src/cli/run/run.ts";
import { calledIn, SECTIONS, SETTINGS } from "../../../src/cli/run/settings.ts";
import { KafkaBroker } from "../../../src/testing/mod.ts";
import { chooseFrom, fileOf, problemsOf } from "./shared.ts";

const text = await readFile(new URL("../../../docs/cli.md", import.meta.url), "utf8");

/** The blocks of code in a language, in their order. */
function blocks(language: string): string[] {
  return Array.from(
    text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms")),
    ([, code]) => code!,
  );
}

/** The cells of a table's rows, without its head. */
function rowsBelow(heading: string): string[][] {
  const section = text.split(`\n### ${heading}\n`)[1]!.split("\n#")[0]!;
  return section.split("\n").filter((line) => line.startsWith("|")).slice(2)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

describe("docs/cli.md", () => {
  it("has the table of settings", () => {
    const headings = text.split("\n## All settings\n")[1]!.match(/^### .*$/gm);
    assert.deepEqual(headings, Object.keys(SECTIONS).map((heading) => `### ${heading}`));
    for (const [heading, settings] of Object.entries(SECTIONS)) {
      assert.deepEqual(
        rowsBelow(heading),
        settings.map(({ name, value, fallback, help }) => [
          `\`${name}\``,
          value?.replaceAll("|", ", ") ?? "switch",
          fallback ?? "",
          help,
        ]),
      );
    }
  });

  it("names only flags and variables that there are", async () => {
    const prose = text.split("\n## All settings\n")[0]!;
    const flags = new Set([
      ...SETTINGS.flatMap(({ name }) => [`--${name}`, `--no-${name}`]),
      ...["--check", "--help", "--bun"],
    ]);
    for (const [flag] of prose.matchAll(/(?<![\w-])--(?!allow-)[a-z][a-z-]*/g)) {
      assert.ok(flags.has(flag), flag);
    }
    const variables = new Set(SETTINGS.map((setting) => calledIn(setting, "variable")));
    for (const [name] of prose.matchAll(/KAFKA_THREADS_[A-Z_]+/g)) {
      assert.ok(variables.has(name), name);
    }
    const handled = blocks("sh").join("").match(/--topics \w+/g)!;
    assert.equal(handled.length, 3);
    let help = "";
    assert.equal(await main(["run", "--help"], { writeOut: (part) => help += part }), 0);
    for (const { name, value, off } of SETTINGS.filter(({ sources }) => sources === undefined)) {
      if (name === "handler") continue;
      const flag = off === undefined ? `--${name}` : `--no-${name}`;
      assert.ok(help.includes(`  ${flag}${value === undefined ? "" : ` <${value}>`} `), flag);
    }
    assert.doesNotMatch(help, /--sasl-password </);
    assert.match(help, /--config <file>[^]*Kafka:[^]*Exit codes: 0 [^]*Examples:/);
  });

  it("has a config file that can be run", { timeout: 60_000 }, async () => {
    await using broker = await KafkaBroker.start({
      topics: { orders: 1, returns: 1, "orders.dead-letter": 1, "returns.dead-letter": 1 },
      logLevel: "silent",
    });
    const folder = await mkdtemp(join(tmpdir(), "kafka-threads-docs-"));
    try {
      const [config] = blocks("yaml");
      const [, name] = /^# (\S+)\n/.exec(config!)!;
      await writeFile(join(folder, name!), config!);
      const [handler] = blocks("ts");
      await writeFile(join(folder, "handler.ts"), handler!);
      let printed = "";
      const stream = { write: (part: string) => printed += part };
      const code = await runHandler({
        // Its brokers are somewhere else.
        flags: { config: name, bootstrap: broker.bootstrapServers },
        variables: {},
        folder,
        stdout: stream,
        stderr: stream,
      }, true);
      assert.equal(code, 0, printed);
      const keys = Object.keys(parse(config!)).filter((key) => key !== "bootstrap");
      for (const key of keys) assert.ok(printed.includes(`"${key}" in ${name}`), key);
      assert.match(printed, /topics exist: orders, returns\n/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it("has a container whose settings are right", async () => {
    const { containers: [{ env }] } = parse(blocks("yaml")[1]!);
    const variables = Object.fromEntries(
      env.map(({ name, value = "x" }: { name: string; value?: string }) => [name, value]),
    );
    assert.deepEqual(chooseFrom({ variables }).warnings, []);
    assert.deepEqual(await problemsOf({ variables, flags: { handler: "handler.ts" } }), []);
  });

  it("shows errors as they are", async () => {
    const shown = text.split("Cannot run: 2 settings are wrong\n")[1]!.split("\n```")[0]!;
    const { warnings: _none, problems } = chooseFrom({
      file: { ...fileOf({ stop_timeout: 1 }), name: "service.yaml" },
    });
    const [wrong] = (await problemsOf({ variables: { KAFKA_THREADS_RETRIES: "many" } }))
      .filter((problem) => problem.startsWith("retries"));
    assert.deepEqual(shown.split("\n").map((line) => line.trim()), [wrong, ...problems]);
  });
});

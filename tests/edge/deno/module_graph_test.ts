import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { run } from "../support.ts";

interface Graph {
  roots: string[];
  redirects: Record<string, string>;
  modules: {
    specifier: string;
    error?: string;
    dependencies?: { code?: { specifier: string }; isDynamic?: boolean }[];
  }[];
}

/** What a module loads, directly or not; types are not loaded. */
async function loadedBy(entry: string, { dynamic = true } = {}): Promise<string[]> {
  const { stdout, stderr } = await run([process.execPath, "info", "--json", entry]);
  assert.notEqual(stdout, "", stderr);
  const { roots, redirects, modules }: Graph = JSON.parse(stdout);
  const found = new Set<string>(roots);
  for (const specifier of found) {
    const target = redirects[specifier] ?? specifier;
    const { dependencies = [] } = modules.find((it) => it.specifier === target) ?? {};
    for (const { code, isDynamic = false } of dependencies) {
      if (code !== undefined && (dynamic || !isDynamic)) found.add(code.specifier);
    }
  }
  return [...found];
}

describe("the module graph of mod.ts", () => {
  it("has valibot and OpenTelemetry's API in it, no Node built-in and no Kafka client", async () => {
    const foreign = (await loadedBy("mod.ts")).filter((url) => !url.startsWith("file:"));
    assert.deepEqual(
      foreign.map((url) => /^npm:\/?(.+?)@[\^\d]/.exec(url)?.[1] ?? url).toSorted(),
      [
        "@opentelemetry/api",
        "valibot",
      ],
    );
  });

  it("has nothing in it that runs in the poller's thread, which does have the client", async () => {
    const program = await loadedBy("mod.ts");
    assert.deepEqual(program.filter((url) => /\/src\/poller\/|\/workers\//.test(url)), []);
    const thread = await loadedBy("workers/poller.ts");
    assert.ok(thread.some((url) => url.includes("kafkajs")));
    assert.deepEqual(thread.filter((url) => url.includes("/src/program/")), []);
  });
});

describe("the module graph of ./server", () => {
  it("has no Node built-in, prom-client or Node server in it before these are needed", async () => {
    const loaded = await loadedBy("src/server/mod.ts", { dynamic: false });
    const foreign = loaded.filter((url) => !url.startsWith("file:"))
      .map((url) => /^npm:\/?(.+?)@[\^\d]/.exec(url)?.[1] ?? url);
    assert.deepEqual([...new Set(foreign)].toSorted(), ["hono", "valibot"]);
  });
});

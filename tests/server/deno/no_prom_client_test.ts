// A host on which prom-client cannot be loaded, as on those without Node's modules: an import map makes
// this one such a host.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { runProgram } from "../../support/kafka/java.ts";

const PROGRAM = `
import { createMetrics, healthRoutes } from ${url("../../../src/server/mod.ts")};
import { ThreadManager } from ${url("../../../mod.ts")};

const manager = new ThreadManager({
  consumer: { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] },
});
const app = healthRoutes(manager);
const metrics = await app.request("/metrics");
const { error } = await metrics.json();
const live = await app.request("/health/live");
const own = await createMetrics([manager], {
  contentType: "text/plain",
  metrics: () => Promise.resolve("of a registry of another make"),
  registerMetric() {},
  getSingleMetric() {},
});
const rejected = await createMetrics([manager]).catch((error) => error);
console.log(JSON.stringify({
  metrics: [metrics.status, error.code],
  live: live.status,
  own: await own.scrape(),
  rejected: [rejected.name, rejected.code, rejected.message],
}));
`;

function url(path: string): string {
  return JSON.stringify(new URL(path, import.meta.url).href);
}

describe("Without prom-client", () => {
  it("there are no metrics, and all else is there", { timeout: 60_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), "no-prom-client-"));
    try {
      const map = join(folder, "map.json");
      await writeFile(
        map,
        JSON.stringify({
          imports: {
            "prom-client": "data:text/javascript,throw new Error('nothing like that here')",
          },
        }),
      );
      const main = join(folder, "main.ts");
      await writeFile(main, PROGRAM);
      const config = new URL("../../../deno.json", import.meta.url).pathname;
      const args = ["run", "-A", "--no-check", "--config", config, "--import-map", map, main];
      const { error, output } = await runProgram(process.execPath, args);
      assert.equal(error, null, output);
      assert.deepEqual(JSON.parse(output.split("\n").find((line) => line.startsWith("{"))!), {
        metrics: [503, "METRICS_UNAVAILABLE"],
        live: 200,
        own: "of a registry of another make",
        rejected: [
          "KafkaThreadsError",
          "METRICS_UNAVAILABLE",
          "Cannot make metrics: prom-client cannot be loaded: nothing like that here",
        ],
      });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

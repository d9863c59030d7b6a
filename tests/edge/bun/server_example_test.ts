import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { runChild } from "../../support/child.ts";
import { smallTopic } from "../small_topic.ts";

describe("examples/bun_server.ts", () => {
  it("answers its own routes and ours, and ends at SIGTERM", { timeout: 60_000 }, async () => {
    const program = new URL("../../../examples/bun_server.ts", import.meta.url);
    await using child = runChild(program, [], { ...await smallTopic(), PORT: "0" });
    const url = await child.line("Listening at ");
    const get = (path: string) => fetch(new URL(path, url));
    assert.equal((await get("internal/health/live")).status, 200);
    await child.line("Kafka consumer started consuming");
    assert.equal((await get("internal/health/ready")).status, 200);
    let count = 0;
    const deadline = performance.now() + 20_000;
    while (count < 20 && performance.now() < deadline) {
      ({ count } = await (await get("orders/count")).json());
    }
    assert.equal(count, 20);
    const metrics = await (await get("internal/metrics")).text();
    assert.match(metrics, /^kafka_consumer_messages_processed_total\{.*\} 20$/m);
    child.kill("SIGTERM");
    const { code, stdout, stderr } = await child.ended;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: "" });
    assert.match(stdout, /thread stopped/);
  });
});

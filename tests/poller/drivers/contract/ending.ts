import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { describeGroup, produce } from "../../../support/kafka/mod.ts";
import type { Member } from "./member.ts";
import type { Place } from "./place.ts";

const LIMIT_MS = 3_000;

/** Scenarios about the end. */
export function ending({ scenario, member, subscription, driver }: Place): void {
  scenario("closes before the first poll", async (scope) => {
    const reader = await member(scope, await subscription());
    await closesInTime(reader);
  });

  scenario("closes during a long poll, and leaves the group", async (scope) => {
    const subscribed = await subscription();
    const reader = await member(scope, subscribed);
    await reader.poll(0);
    const polled = reader.driver.poll(60_000);
    polled.catch(() => {});
    await closesInTime(reader);
    await polled.catch(() => {});
    const { members } = await describeGroup(subscribed.bootstrapServers[0], subscribed.groupId);
    assert.deepEqual(members, []);
  });

  scenario("closes while it is joining, and does not hold up the group", async (scope) => {
    const subscribed = await subscription();
    const stuck = Promise.withResolvers<void>();
    scope.defer(() => stuck.resolve());
    const first = await member(scope, { ...subscribed, onRevoked: () => stuck.promise });
    await first.run().untilAssigned();
    const second = await member(scope, subscribed);
    const polled = second.driver.poll(60_000);
    polled.catch(() => {});
    await first.until("the other joins", () => first.count("revoked") === 1);
    await closesInTime(second);
    await polled.catch(() => {});
    stuck.resolve();
    await first.untilAssigned(2);
    assert.equal(first.assigned.length, 1);
  });

  scenario("closes while a revocation waits", async (scope) => {
    const subscribed = await subscription();
    const stuck = Promise.withResolvers<void>();
    scope.defer(() => stuck.resolve());
    const first = await member(scope, { ...subscribed, onRevoked: () => stuck.promise });
    await first.run().untilAssigned();
    const second = await member(scope, subscribed);
    second.run();
    await first.until("it is revoked", () => first.count("revoked") === 1);
    const closed = closesInTime(first);
    await second.untilAssigned();
    // The poller's hook ends some time; a poll may wait for it.
    stuck.resolve();
    await closed;
  });

  scenario("ends a long poll when the signal aborts, and can still commit", async (scope) => {
    const subscribed = await subscription();
    const [topic] = subscribed.topics;
    await produce(subscribed.bootstrapServers[0], topic, [{ value: "1" }]);
    const reader = await member(scope, subscribed);
    while (reader.read === 0) await reader.poll();
    const polled = reader.driver.poll(60_000).catch(() => []);
    reader.abort();
    const started = performance.now();
    await polled;
    assert(performance.now() - started < 1_000);
    await reader.commitAll();
    await closesInTime(reader);
  });

  scenario("leaves nothing behind that keeps a process alive", async () => {
    const { bootstrapServers, groupId, topics } = await subscription();
    await produce(bootstrapServers[0], topics[0], [{ value: "1" }]);
    const script = fileURLToPath(new URL("./close_and_end.ts", import.meta.url));
    const args = "Deno" in globalThis ? ["run", "-A", "--quiet", script] : [script];
    const child = spawn(process.execPath, [
      ...args,
      driver.href,
      JSON.stringify({ bootstrapServers, groupId, topics }),
    ], { stdio: ["ignore", "pipe", "inherit"] });
    let closedAt = 0;
    child.stdout!.on("data", (data) => {
      if (String(data).includes("closed")) closedAt = performance.now();
    });
    // Whatever it leaves behind, it does not outlive the test.
    const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
    const status = await new Promise((resolve) => child.once("close", resolve));
    clearTimeout(timer);
    assert.equal(status, 0);
    assert(closedAt > 0, "it has closed");
    const linger = performance.now() - closedAt;
    assert(linger < LIMIT_MS, `the process lives on for ${linger} ms`);
  });
}

async function closesInTime(reader: Member): Promise<void> {
  const started = performance.now();
  await reader.close();
  const took = performance.now() - started;
  assert(took < LIMIT_MS, `it takes ${took} ms to close`);
}

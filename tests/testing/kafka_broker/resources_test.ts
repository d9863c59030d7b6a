import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { currentRuntime } from "../../../bench/support/runtimes.ts";
import { BrokerCore } from "../../../src/testing/broker_core.ts";
import { brokerOptions } from "../../../src/testing/broker_options.ts";
import type { RequestContext } from "../../../src/testing/handlers/handler.ts";
import { HANDLERS } from "../../../src/testing/handlers/mod.ts";
import { runChild } from "../../support/child.ts";
import { collectGarbage } from "./collect_garbage.ts";
import { A } from "./raw_client.ts";
import { commit, heartbeat, joinRequest, memberOf, syncRaw } from "./raw_member.ts";
import { BY_NAME, fetchRequest, rig } from "./support.ts";

/** Counts who listens to abort signals: up when they begin, down when they stop by themselves. */
function countAbortListeners(): { now(): number } & Disposable {
  const { addEventListener, removeEventListener } = EventTarget.prototype;
  const listeners = new Map<unknown, Set<unknown>>();
  EventTarget.prototype.addEventListener = function (type, listener, options) {
    if (this instanceof AbortSignal && type === "abort") {
      if (!listeners.has(this)) listeners.set(this, new Set());
      listeners.get(this)!.add(listener);
    }
    return addEventListener.call(this, type, listener, options);
  };
  EventTarget.prototype.removeEventListener = function (type, listener, options) {
    listeners.get(this)?.delete(listener);
    return removeEventListener.call(this, type, listener, options);
  };
  return {
    now: () => [...listeners.values()].reduce((sum, { size }) => sum + size, 0),
    [Symbol.dispose]() {
      Object.assign(EventTarget.prototype, { addEventListener, removeEventListener });
    },
  };
}

describe("KafkaBroker, what it leaves behind", () => {
  it("is nothing, in the middle of whatever it is stopped: the process ends by itself", async () => {
    const program = new URL("./fixtures/stop_amid_everything.ts", import.meta.url);
    await using child = runChild(program);
    assert.equal(await child.line("waits "), Array(5).fill("rejected").join());
    await child.line("stopped");
    const stopped = performance.now();
    const { code, stderr } = await child.ended;
    assert.equal(code, 0, stderr);
    // The shortest of all its timers would have rung after half a minute.
    assert.ok(performance.now() - stopped < 10_000);
  });

  it("is no listener on a connection that lives long", async () => {
    using listeners = countAbortListeners();
    await using test = await rig({ topics: { t: 1 }, minSessionTimeoutMs: 1 });
    const member = await memberOf(await test.raw());
    const { client } = member;
    test.broker.control("ListGroups", () => ({ delayMs: 0 }));
    const before = listeners.now();
    let most = 0;
    test.broker.control("*", () => void (most = Math.max(most, listeners.now())));
    for (let turn = 0; turn < 100; turn++) {
      await client.ask(A.fetch, fetchRequest("t", { maxWaitMs: 1 }), BY_NAME);
      await client.ask(A.listGroups, {});
      const { memberId } = member;
      const joined = await client.ask(A.joinGroup, joinRequest({ memberId }));
      member.generationId = joined.generationId;
      await syncRaw(member, joined.members);
      assert.equal(await heartbeat(member), 0);
    }
    assert.ok(most <= before + 2, `${most} at a time, ${before} at first`);
    assert.equal(listeners.now(), before);
  });

  it("is nobody who waits for a partition to change", async () => {
    const core = new BrokerCore(brokerOptions({}), () => ({ host: "", port: 1 }));
    core.cluster.createTopic("t");
    const partition = core.cluster.partition("t", 0)!;
    const { onChange } = partition;
    let waiting = 0;
    partition.onChange = (wake) => {
      const stop = onChange.call(partition, wake);
      waiting++;
      return () => {
        waiting--;
        stop();
      };
    };
    const context: RequestContext = {
      state: core,
      nodeId: 1,
      listener: "main",
      version: 12,
      clientId: null,
      clientHost: "",
      gone: new AbortController().signal,
      sasl: undefined,
      hangUp: () => {},
    };
    const request = fetchRequest("t", { maxWaitMs: 5 });
    const answer = HANDLERS.get(A.fetch.key)!.handle(request, context);
    assert.equal(waiting, 1);
    await answer;
    assert.equal(waiting, 0);
  });

  // The code is the same everywhere: once is enough, where it is known best what is in use.
  if (currentRuntime() !== "node") return;
  it("is no memory, over a hundred thousand requests", async () => {
    await using test = await rig({ topics: { t: 1 }, logLevel: "error" });
    await test.broker.produce("t", [{ value: "x".repeat(1_000) }]);
    const member = await memberOf(await test.raw());
    const { client } = member;
    // A control that stays, as a test's may: what it has seen must not be kept either.
    test.broker.control("Metadata", () => ({ error: "LEADER_NOT_AVAILABLE" }));
    /** The memory that is in use after so many requests, in bytes. */
    const after = async (requests: number): Promise<number> => {
      for (let done = 0; done < requests; done += 50) {
        await Promise.all(
          Array.from({ length: 10 }, () => [
            client.ask(A.fetch, fetchRequest("t"), BY_NAME),
            client.ask(A.metadata, { topics: [{ name: "t" }] }),
            heartbeat(member),
            commit(member, 1),
            client.ask(A.listGroups, {}),
          ]).flat(),
        );
      }
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    const first = await after(20_000);
    const last = await after(80_000);
    // 50 bytes of each would show.
    assert.ok(last - first < 4_000_000, `${first} bytes became ${last}`);
  });
});

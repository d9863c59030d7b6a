// What a FaultProxy does to the clients of a broker that advertises it, whichever broker that is.
import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import type { FaultProxy } from "../../../src/testing/mod.ts";
import { ERROR } from "../../../src/testing/protocol/error_codes.ts";
import { createTopic, uniqueName } from "../../support/kafka/topics.ts";
import { requestBody, requestFrame } from "../protocol/frames.ts";
import { CLIENTS } from "./clients.ts";
import { A, Disconnected, rawClient } from "./raw_client.ts";
import {
  batch,
  BY_NAME,
  fetchedPartitions,
  fetchRequest,
  producedPartition,
  produceRequest,
} from "./support.ts";

/** A broker that tells its clients the address of a proxy, which leads to it. */
export interface ProxiedBroker extends AsyncDisposable {
  proxy: FaultProxy;
}

/**
 * Registers the tests.
 *
 * @param name The broker.
 * @param start Starts one; it is started once for all of them.
 */
export function proxyTests(
  name: string,
  start: () => Promise<ProxiedBroker>,
  options: { skip?: string } = {},
): void {
  describe(`FaultProxy in front of ${name}`, options, () => {
    /** A topic of one partition, and a connection through the proxy. */
    async function stage() {
      const stack = new AsyncDisposableStack();
      const { proxy } = stack.use(await start());
      const topic = uniqueName("proxied");
      await createTopic(proxy.address, topic);
      const client = stack.use(await rawClient(proxy.address));
      return {
        proxy,
        topic,
        client,
        defer: (end: () => unknown) => stack.defer(async () => void await end()),
        async produce(value: string) {
          const request = produceRequest(topic, batch([value]));
          return producedPartition(await client.ask(A.produce, request, BY_NAME));
        },
        async fetch(timeoutMs = 0) {
          const request = fetchRequest(topic, { maxWaitMs: timeoutMs });
          return fetchedPartitions(await client.ask(A.fetch, request, BY_NAME))[0]!;
        },
        [Symbol.asyncDispose]: () => stack.disposeAsync(),
      };
    }

    for (const kind of CLIENTS) {
      it(`has all connections of ${kind.name} pass through it, and it comes back when they are cut`, async () => {
        await using test = await stage();
        const { proxy, topic } = test;
        const consumer = await kind.consumer(proxy.address, uniqueName("group"), topic);
        test.defer(() => consumer.close());
        const producer = await kind.producer(proxy.address);
        test.defer(() => producer.close());
        await producer.send(topic, "before");
        await consumer.atLeast(1);
        for (const value of ["one", "two"]) {
          const { accepted } = proxy.stats();
          assert.ok(proxy.cut() >= 2);
          await producer.send(topic, value);
          // What is not committed yet may come again.
          while (!consumer.messages.some((message) => message.value === value)) {
            await consumer.atLeast(consumer.messages.length + 1);
          }
          assert.ok(proxy.stats().accepted > accepted);
        }
      });
    }

    it("delays", async () => {
      await using test = await stage();
      const timed = async () => {
        const start = performance.now();
        await test.fetch();
        return performance.now() - start;
      };
      await timed();
      const delay = test.proxy.delay(100);
      assert.ok(await timed() >= 198, "there and back");
      assert.ok(delay.hits >= 2);
      delay.remove();
      const far = test.proxy.delay(1_000_000);
      const answer = test.fetch();
      await far.whenHit();
      far.remove();
      await answer;
    });

    it("throttles", async () => {
      await using test = await stage();
      assert.equal((await test.produce("x".repeat(60_000))).errorCode, ERROR.NONE);
      using throttle = test.proxy.throttle(300_000, { direction: "toClient" });
      const start = performance.now();
      assert.ok((await test.fetch()).records.length > 60_000);
      assert.ok(performance.now() - start >= 150, "a fifth of a second's worth of bytes");
      assert.ok(throttle.hits > 0);
    });

    it("corrupts, which the broker notices by the checksum of the batch", async () => {
      await using test = await stage();
      const value = "x".repeat(2_000);
      const request = produceRequest(test.topic, batch([value]));
      const { length } = requestFrame(
        A.produce,
        BY_NAME.version,
        requestBody(A.produce, BY_NAME.version, request),
        { clientId: "raw" },
      );
      // In the middle of the value: all of the envelope is as it was.
      const fault = test.proxy.corrupt({ direction: "toBroker", after: length - 1_000 });
      const refused = producedPartition(await test.client.ask(A.produce, request, BY_NAME));
      assert.equal(refused.errorCode, ERROR.CORRUPT_MESSAGE);
      assert.equal(fault.hits, 1);
      assert.equal((await test.fetch()).highWatermark, 0);
      test.proxy.heal();
      assert.equal((await test.produce(value)).errorCode, ERROR.NONE);
      assert.equal((await test.fetch()).highWatermark, 1);
    });

    it("cuts an answer in the middle: what was asked for has happened", async () => {
      await using test = await stage();
      test.proxy.cutAfter(10, { direction: "toClient", times: 1 });
      await assert.rejects(test.produce("a"), Disconnected);
      await using other = await rawClient(test.proxy.address);
      const answer = await other.ask(A.fetch, fetchRequest(test.topic), BY_NAME);
      assert.equal(fetchedPartitions(answer)[0]!.highWatermark, 1);
    });

    it("stalls, and lets go on", async () => {
      await using test = await stage();
      const stall = test.proxy.stall();
      const answer = test.produce("a");
      await stall.whenHit();
      assert.equal(test.client.answers, 0);
      stall.remove();
      assert.equal((await answer).errorCode, ERROR.NONE);
    });
  });
}

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { once } from "node:events";
import process from "node:process";
import { describe, it } from "#std/testing/bdd";
import { KafkaThreadsError, OptionsError, StartTimeoutError } from "../../mod.ts";
import { serve, type ServeOptions } from "../../src/server/mod.ts";
import { Lines, pretendConsumer, pretendManager } from "./fixtures/pretend_kafka.ts";

const slow = { timeout: 20_000 };
/** On any port, and without an end of this process. */
const here = { port: 0, hostname: "127.0.0.1", exit: false } satisfies ServeOptions;

describe("serve", () => {
  it("names all options that are wrong, before anything happens", slow, async () => {
    const consumer = pretendConsumer("options");
    const options = { port: "x", host: "a", exit: 1, registry: {}, logger: null, signal: 3 };
    await assert.rejects(serve(consumer, options as never), (error) => {
      assert(OptionsError.is(error));
      assert.deepEqual(error.issues.map(({ option }) => option).toSorted(), [
        "exit",
        "host",
        "logger",
        "port",
        "registry",
        "signal",
      ]);
      assert.match(error.message, /did you mean "hostname"\?/);
      return true;
    });
    assert.equal(consumer.state, "idle");
  });

  it(
    "answers before consumers start, while they start, and until they have stopped",
    slow,
    async () => {
      const joining = Promise.withResolvers<void>();
      const joins = Promise.withResolvers<void>();
      const handling = Promise.withResolvers<void>();
      const handled = Promise.withResolvers<void>();
      const consumers = [
        pretendConsumer("slow", {
          joining: () => {
            joins.resolve();
            return joining.promise;
          },
        }),
        pretendConsumer("busy", { messages: 1 }, {
          handler: () => {
            handling.resolve();
            return handled.promise;
          },
        } as never),
      ];
      const stop = new AbortController();
      const logger = new Lines();
      const seen: unknown[] = [];
      let url = "";
      const see = async () => {
        const answers = await Promise.all(
          ["live", "ready", "started"].map((probe) =>
            fetch(`${url}health/${probe}`, { headers: { connection: "close" } })
          ),
        );
        seen.push(answers.map(({ status }) => status).join(" "));
        await Promise.all(answers.map((answer) => answer.body?.cancel()));
      };
      const listens = Promise.withResolvers<void>();
      const code = serve(consumers, {
        ...here,
        logger,
        signal: stop.signal,
        onListen: async (address) => {
          url = address.url;
          assert.equal(address.url, `http://127.0.0.1:${address.port}/`);
          assert.equal(address.hostname, "127.0.0.1");
          assert.deepEqual(consumers.map(({ state }) => state), ["idle", "idle"]);
          await see();
          listens.resolve();
        },
      });
      await listens.promise;
      await Promise.all([joins.promise, handling.promise]);
      await see();
      joining.resolve();
      await consumers[0]!.start();
      await see();
      stop.abort();
      await consumers[0]!.closed;
      // The other one has a message under way.
      await see();
      handled.resolve();
      assert.equal(await code, 0);
      assert.deepEqual(consumers.map(({ state }) => state), ["stopped", "stopped"]);
      assert.deepEqual(seen, ["200 503 503", "200 503 503", "200 200 200", "200 503 200"]);
      await assert.rejects(fetch(url));
      assert.deepEqual(logger.all, [
        `info Health is served at ${url}health`,
        "info Stopping, as the signal option was aborted",
        "info Stopped cleanly",
      ]);
    },
  );

  it("ends when every consumer has ended, a lifetime included", slow, async () => {
    const consumer = pretendConsumer("stopped");
    const manager = pretendManager("lifetime", 300);
    const logger = new Lines();
    const code = serve([consumer, manager], { ...here, logger });
    await manager.start();
    await consumer.start();
    await consumer.stop();
    assert.equal(await code, 0);
    assert.equal(await manager.closed, "lifetime");
    assert(logger.all.includes("info Stopping, as every consumer has ended"));
  });

  it("stops all when one fails, with 1, and logs which message it was", slow, async () => {
    const well = pretendConsumer("well");
    const failing = pretendConsumer("failing", { messages: 8 }, {
      handler: (_context: unknown, data: unknown) => {
        if (data === 5) throw new RangeError("five");
      },
    });
    const logger = new Lines();
    assert.equal(await serve([well, failing], { ...here, logger }), 1);
    assert.deepEqual([well.state, failing.state], ["stopped", "failed"]);
    const line = logger.all.findIndex((line) => line.startsWith("error"));
    assert.match(logger.all[line]!, /"kafka_consumer\.failing" has failed: .*five/);
    const { error: _, ...fields } = logger.fields[line]!;
    assert.deepEqual(fields, {
      consumer: "kafka_consumer.failing",
      topic: "failing",
      partition: 0,
      offset: 5,
    });
    assert.equal(logger.all.at(-1), "info Stopped after a failure");
  });

  it("stops all when one cannot start", slow, async () => {
    const well = pretendConsumer("well");
    const failing = pretendConsumer("failing", { joining: () => new Promise(() => {}) }, {
      startTimeoutMs: 100,
    });
    const logger = new Lines();
    assert.equal(await serve([failing, well], { ...here, logger }), 1);
    assert.equal(well.state, "stopped");
    await assert.rejects(failing.closed, (error) => StartTimeoutError.is(error));
  });

  it("stops what is still starting, which is no failure", slow, async () => {
    const stop = new AbortController();
    const consumer = pretendConsumer("starting", { joining: () => stop.abort() });
    assert.equal(await serve(consumer, { ...here, logger: new Lines(), signal: stop.signal }), 0);
    assert.equal(consumer.state, "stopped");
  });

  it("starts nothing where its signal has been aborted, and stops what runs", slow, async () => {
    const idle = pretendConsumer("idle");
    const running = await pretendConsumer("running").start();
    const signal = AbortSignal.abort();
    assert.equal(await serve([idle, running], { ...here, logger: new Lines(), signal }), 0);
    assert.deepEqual([idle.state, running.state], ["idle", "stopped"]);
  });

  it("ends with 1 where a stop is not clean, within its time", slow, async () => {
    const begun = Promise.withResolvers<void>();
    const hanging = pretendConsumer("hanging", { messages: 1 }, {
      stopTimeoutMs: 200,
      handler: () => {
        begun.resolve();
        return new Promise(() => {});
      },
    });
    const stop = new AbortController();
    const logger = new Lines();
    const code = serve(hanging, { ...here, logger, signal: stop.signal });
    await begun.promise;
    stop.abort();
    assert.equal(await code, 1);
    assert.match(logger.all.join("\n"), /^error .* has failed: Cannot stop cleanly/m);
  });

  it("starts nothing where the port is taken", slow, async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { port: number };
    const consumer = pretendConsumer("idle");
    const logger = new Lines();
    await assert.rejects(serve(consumer, { ...here, port, logger }), (error) => {
      assert(KafkaThreadsError.is(error));
      assert.equal(error.code, "ADDRESS_IN_USE");
      return true;
    });
    assert.equal(consumer.state, "idle");
    assert.match(logger.all.join("\n"), /^error Cannot serve: Cannot listen on "127\.0\.0\.1:\d+"/);
    other.close();
  });

  it("serves nothing more where onListen throws", slow, async () => {
    const consumer = pretendConsumer("idle");
    let url = "";
    const options: ServeOptions = {
      ...here,
      logger: new Lines(),
      onListen: (address) => {
        url = address.url;
        throw new RangeError("no");
      },
    };
    await assert.rejects(serve(consumer, options), RangeError);
    assert.equal(consumer.state, "idle");
    await assert.rejects(fetch(url));
  });

  it("has metrics ready before anybody asks for them", slow, async () => {
    const asked = Promise.withResolvers<void>();
    const registry = {
      contentType: "text/plain",
      registerMetric() {},
      getSingleMetric: () => undefined,
      metrics: () => Promise.resolve(asked.resolve()).then(() => ""),
    };
    const stop = new AbortController();
    const { signal } = stop;
    const code = serve(pretendConsumer("warm"), {
      ...here,
      registry,
      signal,
      logger: new Lines(),
    });
    await asked.promise;
    stop.abort();
    assert.equal(await code, 0);
  });

  it("leaves no listener behind", slow, async () => {
    const count = () => process.listenerCount("SIGTERM") + process.listenerCount("SIGINT");
    const before = count();
    const consumer = pretendConsumer("signals");
    const listening = Promise.withResolvers<void>();
    const onListen = () => listening.resolve();
    const code = serve(consumer, { ...here, logger: new Lines(), onListen });
    await listening.promise;
    assert.equal(count(), before + 2);
    await consumer.start();
    await consumer.stop();
    assert.equal(await code, 0);
    assert.equal(count(), before);
  });
});

// What handlers are given: data that is decoded and checked, and what becomes of what is not as it should be.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as v from "valibot";
import { describe } from "#std/testing/bdd";
import { MessageError } from "../../mod.ts";
import { rejection } from "../thread_manager/shared.ts";
import { produce } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { Collector, newTopic, untilCommitted } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";
import {
  bootstrapServers,
  committed,
  eventsOf,
  ordered,
  parallel,
  readTopic,
  topicWithDeadLetters,
} from "./shared.ts";

const ORDER = v.object({
  id: v.pipe(v.number(), v.integer()),
  at: v.pipe(v.string(), v.transform((text) => new Date(text))),
});

/** Values of one partition, of which some are not as they should be: see `isValid`. */
const VALUES: readonly (string | null | Uint8Array)[] = [
  '{"id":0,"at":"2026-01-01"}',
  "no JSON",
  '{"id":"two","at":"2026-01-01"}',
  null,
  "",
  `{"id":5,"at":"2026-01-01","more":"${"x".repeat(900_000)}"}`,
  new Uint8Array([0x22, 0xff, 0xfe, 0xc3, 0x28, 0x22, 0x7b]),
  "[]",
  '{"id":8,"at":"2026-01-01"}',
];
const VALID = [0, 5, 8];

async function produceValues(topic: string): Promise<void> {
  await produce(
    bootstrapServers,
    topic,
    VALUES.map((value, n) => ({
      partition: 0,
      key: `${n}`,
      value: value === null ? null : Buffer.from(value),
      headers: n % 2 === 0 ? {} : { twice: ["1", "2"], empty: "", "": "no name" },
    })),
  );
}

describe("The data of ordered and parallel consumers", needsKafka, () => {
  const scenario = sideBySide(4);

  scenario("decode makes data of the value, and sees the message", async (scope) => {
    const topic = await newTopic();
    await produce(bootstrapServers, topic, [{ key: "a", value: "1" }, { key: "b", value: null }]);
    const got = new Collector<unknown>();
    const decoded: string[] = [];
    const { consumer } = await ordered(scope, topic, (_context, data) => got.add(data), {
      decode: ((bytes: Uint8Array, { offset }: { offset: number }) => {
        decoded.push(`${offset}`);
        return { bytes: bytes.length };
      }) as never,
    });
    await consumer.start();
    await got.atLeast(2);
    assert.deepEqual(got.items, [{ bytes: 1 }, null]);
    assert.deepEqual(decoded, ["0"], "a null value is not decoded");
  });

  scenario("decode and schema may take their time, and the order is kept", async (scope) => {
    const topic = await newTopic();
    const count = 40;
    await produce(
      bootstrapServers,
      topic,
      Array.from({ length: count }, (_, n) => ({ key: `${n % 2}`, value: `${n}` })),
    );
    const later = <T>(value: T, ms: number) =>
      new Promise<T>((resolve) => setTimeout(resolve, ms, value));
    const got = new Collector<number>();
    const { consumer } = await parallel(scope, topic, (_context, data) => got.add(data.n), {
      decode: ((bytes: Uint8Array) =>
        later(Number(new TextDecoder().decode(bytes)), Math.random() * 5)) as never,
      schema: v.pipeAsync(
        v.number(),
        v.checkAsync((n) =>
          later(n !== 7, Math.random() * 5)
        ),
        v.transformAsync((n) => later({ n }, 1)),
      ) as never,
    });
    await consumer.start();
    await got.atLeast(count - 1);
    await consumer.stop();
    for (const rest of [0, 1]) {
      const of = got.items.filter((n) => n % 2 === rest);
      const all = Array.from({ length: count }, (_, n) => n);
      assert.deepEqual(of, all.filter((n) => n % 2 === rest && n !== 7));
    }
    assert.equal(consumer.stats().handlers.invalid, 1);
  });

  for (const kind of ["ordered", "parallel"] as const) {
    const make = { ordered, parallel }[kind] as typeof ordered;

    scenario(`${kind}: what is invalid is skipped, counted and logged`, async (scope) => {
      const topic = await newTopic();
      await produceValues(topic);
      const got = new Collector<{ id: number; at: Date }>();
      const test = await make(scope, topic, (_context, data) => got.add(data), {
        schema: ORDER as never,
      });
      const skips = eventsOf(test, "skip");
      await test.consumer.start();
      await got.atLeast(VALID.length);
      await skips.atLeast(VALUES.length - VALID.length);
      await test.consumer.stop();
      assert.deepEqual(got.items.map(({ id }) => id).toSorted(), VALID);
      assert(got.items.every(({ at }) => at instanceof Date), "the schema's output is given");
      const { handlers } = test.consumer.stats();
      assert.deepEqual([handlers.handled, handlers.invalid, handlers.skipped, handlers.failed], [
        3,
        6,
        6,
        0,
      ]);
      assert.deepEqual(await committed(test.groupId, topic), [VALUES.length]);
      const invalid = VALUES.keys().filter((n) => !VALID.includes(n)).toArray();
      assert.deepEqual(skips.items.map(({ offset }) => offset).toSorted(), invalid);
      assert(skips.items.every(({ error }) => MessageError.is(error)));
      const lines = test.log.items.filter(({ level }) => level === "warn");
      assert.deepEqual(lines.map(({ fields }) => fields?.["offset"] as number).toSorted(), invalid);
      for (const { message, fields } of lines) {
        assert.deepEqual([fields?.["topic"], fields?.["partition"]], [topic, 0]);
        assert(message.includes(`offset ${fields?.["offset"]}`), message);
        assert(message.length < 2_000, "the value itself is not logged");
      }
    });

    scenario(`${kind}: what is invalid stops it, and comes again`, async (scope) => {
      const topic = await newTopic();
      await produceValues(topic);
      const got = new Collector<{ id: number }>();
      const { consumer, groupId } = await make(
        scope,
        topic,
        (_context, data) => got.add(data),
        { schema: ORDER as never, onInvalid: "stop" },
      );
      for (const attempt of [1, 2]) {
        await consumer.start();
        const error = await rejection(consumer.closed);
        assert(MessageError.is(error), `${attempt}: ${error}`);
        assert.equal(consumer.state, "failed");
        const [offset] = await committed(groupId, topic);
        assert.equal(offset, 1, "nothing is lost");
        if (kind === "ordered") {
          assert.deepEqual([error.topic, error.partition, error.offset], [topic, 0, 1]);
        }
      }
      const once = got.items.filter(({ id }) => id === 0);
      assert.equal(once.length, 1);
    });

    scenario(`${kind}: what is invalid is stored, exactly as it was`, async (scope) => {
      const topic = await topicWithDeadLetters();
      await produceValues(topic);
      const got = new Collector<{ id: number }>();
      const test = await make(
        scope,
        topic,
        (_context, data) => got.add(data),
        { schema: ORDER as never, onInvalid: "dead-letter" },
      );
      const events = eventsOf(test, "dead-letter");
      await test.consumer.start();
      await untilCommitted(test.groupId, topic, [VALUES.length]).catch(() => {});
      await test.consumer.stop();
      assert.deepEqual(got.items.map(({ id }) => id).toSorted(), VALID);
      assert.equal(events.items.length, 6);
      const { handlers } = test.consumer.stats();
      assert.deepEqual([handlers.invalid, handlers.deadLetters, handlers.skipped], [6, 6, 0]);
      const letters = await readTopic(`${topic}.dead-letter`);
      assert.equal(letters.length, 6);
      for (const letter of letters) {
        const header = (name: string) => new TextDecoder().decode(letter.header(name)!);
        const n = Number(header("dead-letter-offset"));
        const value = VALUES[n]!;
        const expected = typeof value === "string" ? new TextEncoder().encode(value) : value;
        assert.deepEqual(
          letter.value === null ? null : [...letter.value],
          expected && [...expected],
        );
        assert.equal(new TextDecoder().decode(letter.key!), `${n}`);
        assert.equal(header("dead-letter-reason"), "invalid");
        const refused = value === null || value === "[]" || n === 2;
        const name = refused ? "MessageError" : "SyntaxError";
        assert.equal(header("dead-letter-error-name"), name);
        const own = letter.headers.filter(({ key }) => !key.startsWith("dead-letter-"))
          .map(({ key, value }) => [key, new TextDecoder().decode(value!)]);
        assert.deepEqual(
          own,
          n % 2 === 0 ? [] : [["twice", "1"], ["twice", "2"], ["empty", ""], ["", "no name"]],
        );
      }
    });
  }

  scenario("a schema may want tombstones", async (scope) => {
    const topic = await newTopic();
    await produce(bootstrapServers, topic, [{ value: null }, { value: "1" }, { value: null }]);
    const got = new Collector<unknown>();
    const { consumer } = await ordered(scope, topic, (_context, data) => got.add(data), {
      schema: v.nullable(v.string(), "nothing") as never,
    });
    await consumer.start();
    await got.atLeast(2);
    await consumer.stop();
    assert.deepEqual(got.items, ["nothing", "nothing"]);
    assert.equal(consumer.stats().handlers.invalid, 1);
  });

  scenario("a decoder or schema that throws makes a message invalid", async (scope) => {
    const topic = await newTopic();
    await produce(bootstrapServers, topic, ["1", "2", "3", "4"].map((value) => ({ value })));
    const got = new Collector<unknown>();
    const schema = {
      "~standard": {
        version: 1,
        vendor: "tests",
        validate(value: unknown) {
          if (value === 2) throw new Error("schema");
          return value === 3 ? Promise.reject(new Error("later")) : { value };
        },
      },
    };
    const { consumer, log } = await ordered(scope, topic, (_context, data) => got.add(data), {
      decode: ((bytes: Uint8Array) => {
        const n = Number(new TextDecoder().decode(bytes));
        if (n === 1) throw { not: "an error" };
        return n;
      }) as never,
      schema: schema as never,
      // They are no failures of the handler.
      onError: { retries: 5 },
    });
    await consumer.start();
    await got.atLeast(1);
    await consumer.stop();
    assert.deepEqual(got.items, [4]);
    const { handlers } = consumer.stats();
    assert.deepEqual([handlers.invalid, handlers.retries], [3, 0]);
    assert.equal(log.messages("warn").length, 3);
  });

  scenario("invalid messages are left out of batches", async (scope) => {
    const topic = await newTopic();
    await produceValues(topic);
    const batches = new Collector<number[]>();
    const { consumer, groupId } = await parallel(scope, topic, (_context, data, messages) => {
      assert.equal(data.length, messages.length);
      batches.add(data.map(({ id }: { id: number }) => id));
    }, {
      schema: ORDER as never,
      order: "partition",
      commit: "continuous",
      handlerBatch: { size: 20, waitMs: 500 },
    });
    await consumer.start();
    await batches.until("all of them", (batches) => batches.flat().length === VALID.length);
    await untilCommitted(groupId, topic, [VALUES.length]);
    await consumer.stop();
    assert.deepEqual(batches.items, [VALID]);
    assert.equal(consumer.stats().handlers.invalid, 6);
  });

  scenario("keys and headers of any kind reach the handler", async (scope) => {
    const topic = await newTopic();
    await produce(bootstrapServers, topic, [
      { key: "", value: "1", headers: { a: ["1", "2"] } },
      { key: null, value: "2", headers: { "": "", "ключ": "знач" } },
    ]);
    const got = new Collector<[string | null, [string, string][]]>();
    const { consumer } = await ordered(scope, topic, (_context, _data, message) => {
      const text = (bytes: Uint8Array | null) =>
        bytes === null ? null : new TextDecoder().decode(bytes);
      got.add([
        text(message.key),
        message.headers.map((
          { key, value }: { key: string; value: Uint8Array },
        ) => [key, text(value)]),
      ]);
    });
    await consumer.start();
    await got.atLeast(2);
    assert.deepEqual(got.items, [
      ["", [["a", "1"], ["a", "2"]]],
      [null, [["", ""], ["ключ", "знач"]]],
    ]);
  });
});

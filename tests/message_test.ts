import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { MessageError } from "../src/errors.ts";
import { Message } from "../src/message.ts";
import { packRecords, tableOfRecords, unpackRecords } from "../src/threads/records.ts";
import { bytesOf, records } from "./threads/arbitrary_records.ts";

const from = (record: Partial<Parameters<typeof Message.from>[0]>) =>
  Message.from({ topic: "orders", partition: 3, offset: 7, value: null, ...record });

const array = (bytes: Uint8Array | null | undefined) => bytes && [...bytes];

describe("Message", () => {
  it("reads every field of every record of its batch, in whatever order and as often", () => {
    const fields = ["key", "value", "headers", "timestamp", "offset", "text"] as const;
    fc.assert(fc.property(
      records({ minLength: 1, maxLength: 6 }),
      fc.array(fc.tuple(fc.nat(), fc.constantFrom(...fields)), { maxLength: 20, size: "max" }),
      (list, reads) => {
        const packed = packRecords(tableOfRecords(list, 99), 0, list.length);
        const batch = { topic: "t", partition: 1, epoch: 4, records: unpackRecords(packed) };
        const messages = list.map((_, index) => new Message(batch, index));
        for (const [nth, field] of reads) {
          const record = list[nth % list.length]!;
          const message = messages[nth % list.length]!;
          if (field === "key") assert.deepEqual(array(message.key), array(bytesOf(record.key)));
          if (field === "value") {
            assert.deepEqual(array(message.value), array(bytesOf(record.value)));
          }
          if (field === "headers") {
            assert.deepEqual(
              message.headers.map(({ key, value }) => [key, array(value)]),
              (record.headers ?? []).map(({ key, value }) => [key, array(bytesOf(value))]),
            );
          }
          if (field === "timestamp") assert.equal(message.timestamp, record.timestamp ?? 99);
          if (field === "offset") assert.equal(message.offset, record.offset);
          if (field === "text" && typeof record.value === "string") {
            assert.equal(message.text(), record.value.toWellFormed());
          }
          assert.deepEqual([message.topic, message.partition, message.epoch], ["t", 1, 4]);
        }
      },
    ));
  });

  it("returns the same views again: a field is read once", () => {
    const message = from({ key: "k", value: "v", headers: [{ key: "h", value: "x" }] });
    assert.equal(message.key, message.key);
    assert.equal(message.value, message.value);
    assert.equal(message.headers, message.headers);
    const empty = from({ key: null, value: null });
    assert.deepEqual([empty.key, empty.key, empty.value, empty.value], [null, null, null, null]);
  });

  it("gives values that can be kept: slice() copies them", () => {
    const message = from({ value: "value" });
    const copy = message.value!.slice();
    message.value![0] = 0;
    assert.equal(new TextDecoder().decode(copy), "value");
    assert.equal(message.value!.constructor, Uint8Array);
    assert.equal(from({ key: "k" }).key!.constructor, Uint8Array);
    assert.equal(
      from({ headers: [{ key: "h", value: "x" }] }).headers[0]!.value!.constructor,
      Uint8Array,
    );
  });

  it("finds the last header of a name, and tells null from none", () => {
    const message = from({
      headers: [{ key: "a", value: "1" }, { key: "b", value: null }, { key: "a", value: "2" }],
    });
    assert.deepEqual(array(message.header("a")), [..."2"].map((digit) => digit.charCodeAt(0)));
    assert.equal(message.header("b"), null);
    assert.equal(message.header("c"), undefined);
    assert.equal(from({}).header("a"), undefined);
  });

  it("parses JSON, and says where it cannot", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      // Through JSON first, as it has no -0.
      const text = JSON.stringify(value);
      assert.deepEqual(from({ value: text }).json(), JSON.parse(text));
    }));
    assert.equal(from({ value: null }).json(), null);
    for (const value of ["", "{", "\ufeff{}", "undefined"]) {
      assert.throws(() => from({ value }).json(), (error) => {
        assert.ok(MessageError.is(error));
        assert.ok(error.cause instanceof SyntaxError);
        assert.deepEqual([error.topic, error.partition, error.offset], ["orders", 3, 7]);
        assert.match(
          error.message,
          /^Cannot parse the value at "orders" partition 3 offset 7 as JSON: /,
        );
        return true;
      });
    }
  });

  it("is printed as JSON with its text", () => {
    const message = from({
      key: "ключ",
      value: '{"id":1}',
      timestamp: 5,
      headers: [{ key: "h", value: "x" }, { key: "h", value: null }],
    });
    assert.deepEqual(JSON.parse(JSON.stringify(message)), {
      topic: "orders",
      partition: 3,
      offset: 7,
      timestamp: 5,
      key: "ключ",
      value: '{"id":1}',
      headers: [{ key: "h", value: "x" }, { key: "h", value: null }],
    });
    assert.deepEqual(JSON.parse(JSON.stringify(from({}))).key, null);
  });

  it("made by hand has the time of its making unless told", () => {
    const before = Date.now();
    const { timestamp } = from({});
    assert.ok(timestamp >= before && timestamp <= Date.now());
    assert.equal(from({ timestamp: 0 }).timestamp, 0);
  });
});

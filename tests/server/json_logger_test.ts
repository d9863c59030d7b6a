import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { HandlerError } from "../../src/errors.ts";
import { jsonLogger, type JsonLoggerOptions } from "../../src/server/json_logger.ts";

const NOW = new Date("2026-11-21T12:34:56.789Z");

/** What one call logs, parsed; `message` is the only thing said if nothing else is. */
function logged(fields?: unknown, options: JsonLoggerOptions = {}): Record<string, unknown> {
  const lines: string[] = [];
  const logger = jsonLogger({ now: () => NOW, ...options, write: (line) => lines.push(line) });
  logger.info("said", fields as Record<string, unknown>);
  assert.equal(lines.length, 1);
  assert.ok(!lines[0]!.includes("\n"), "one line");
  return JSON.parse(lines[0]!);
}

/** The same, without the three that are always there. */
function fieldsOf(fields: unknown): Record<string, unknown> {
  const { time: _time, level: _level, message: _message, ...rest } = logged(fields);
  return rest;
}

describe("jsonLogger", () => {
  it("writes time, level, message and the fields beside them", () => {
    assert.deepEqual(logged({ topic: "orders", partition: 0, offset: 12, left: undefined }), {
      time: "2026-11-21T12:34:56.789Z",
      level: "info",
      message: "said",
      topic: "orders",
      partition: 0,
      offset: 12,
    });
  });

  it("has the four levels, and leaves out those below its own", () => {
    const lines: string[] = [];
    const { debug, info, warn, error } = jsonLogger({
      level: "warn",
      write: (line) => lines.push(line),
    });
    for (const log of [debug, info, warn, error]) log("x");
    assert.deepEqual(lines.map((line) => JSON.parse(line).level), ["warn", "error"]);
  });

  it("keeps the three it needs itself, and the fields that are called the same", () => {
    const line = logged({ level: 3, time: 5, message: "mine", level_: 4 });
    assert.deepEqual(
      [line["level"], line["time"], line["message"]],
      ["info", NOW.toISOString(), "said"],
    );
    assert.deepEqual(
      [line["level_"], line["time_"], line["message_"], line["level__"]],
      [3, 5, "mine", 4],
    );
  });

  it("tells of an error what it is about, and why, but not what else hangs on it", () => {
    const cause = Object.assign(new TypeError("no such order"), {
      code: "E_ORDER",
      request: { headers: { authorization: "secret" } },
    });
    const position = { topic: "orders", partition: 1, offset: 7 };
    const { error } = fieldsOf({
      error: new HandlerError("Cannot handle", { cause, ...position }),
    });
    const { stack, cause: why, ...rest } = error as Record<string, Record<string, unknown>>;
    assert.deepEqual(rest, {
      name: "HandlerError",
      message: "Cannot handle",
      code: "HANDLER_FAILED",
      ...position,
    });
    assert.match(String(stack), /Cannot handle/);
    assert.equal(why!["name"], "TypeError");
    assert.equal(why!["message"], "no such order");
    assert.equal(why!["code"], "E_ORDER");
    assert.ok(!JSON.stringify(error).includes("secret"));
  });

  it("takes what console takes: an error, or anything else, as the second argument", () => {
    assert.equal((fieldsOf(new Error("mine"))["error"] as Error).message, "mine");
    assert.deepEqual(fieldsOf("text"), { fields: "text" });
    assert.deepEqual(fieldsOf([1, 2]), { fields: [1, 2] });
    assert.deepEqual(fieldsOf(null), { fields: null });
  });

  it("logs what JSON does not know", () => {
    const circular: Record<string, unknown> = { one: 1 };
    circular["self"] = circular;
    assert.deepEqual(
      fieldsOf({
        big: 2n ** 64n,
        none: [undefined, NaN, -Infinity],
        bytes: new TextEncoder().encode("secret"),
        date: new Date(0),
        never: new Date(NaN),
        map: new Map<unknown, unknown>([["a", 1], [2, new Set([3])]]),
        url: new URL("https://example.org/"),
        call: () => "secret",
        symbol: Symbol("s"),
        circular,
        ["__proto__"]: "own",
        toJSON: 1,
      }),
      JSON.parse(JSON.stringify({
        big: "18446744073709551616",
        none: [null, "NaN", "-Infinity"],
        bytes: "[6 bytes]",
        date: "1970-01-01T00:00:00.000Z",
        never: "Invalid Date",
        map: { a: 1, 2: [3] },
        url: "https://example.org/",
        call: "[function]",
        symbol: "Symbol(s)",
        circular: { one: 1, self: "[circular]" },
        ["__proto__"]: "own",
        toJSON: 1,
      })),
    );
  });

  it("logs what cannot be read as that, and the rest of it all the same", () => {
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const fails = () => {
      throw new Error("not today");
    };
    const note = "[cannot be read]";
    assert.deepEqual(
      fieldsOf({
        object: Object.defineProperty({ good: 1 }, "bad", { get: fails, enumerable: true }),
        toJSON: { toJSON: fails },
        proxy: revoked.proxy,
        error: Object.defineProperty(new Error("seen"), "stack", { get: fails }),
      }),
      {
        object: { good: 1, bad: note },
        toJSON: note,
        proxy: note,
        error: { name: "Error", message: "seen", stack: note },
      },
    );
  });

  it("ends, however deep, wide or entangled something is", () => {
    let deep: unknown = 0;
    for (let depth = 0; depth < 10_000; depth++) deep = [deep];
    let tangle: unknown = "end";
    for (let depth = 0; depth < 8; depth++) tangle = Array(50).fill(tangle);
    const wide = Array(1_000_000).fill(1);
    const text = JSON.stringify(fieldsOf({ deep, tangle, wide }));
    assert.ok(text.length < 100_000, `${text.length} characters`);
    assert.match(text, /\[too deep\].*\[too much\]/);
    assert.match(JSON.stringify(fieldsOf({ wide })), /\[999900 more\]/);
  });

  it("never throws, whatever it is given, and wherever lines go", () => {
    fc.assert(fc.property(fc.string(), fc.anything(), (message, fields) => {
      const lines: string[] = [];
      const logger = jsonLogger({ write: (line) => lines.push(line) });
      logger.error(message, fields as Record<string, unknown>);
      assert.equal(lines.length, 1);
      const line = JSON.parse(lines[0]!);
      assert.equal(line.message, message);
      assert.equal(line.level, "error");
      assert.ok(!Number.isNaN(Date.parse(line.time)));
    }));
    jsonLogger({
      write: () => {
        throw new Error("disk full");
      },
    }).info("lost");
  });

  it("makes text of a message that is none", () => {
    const lines: string[] = [];
    const { warn } = jsonLogger({ write: (line) => lines.push(line) });
    for (const message of [new Error("an error"), 5, null, Symbol("s")]) {
      (warn as (message: unknown) => void)(message);
    }
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).message),
      ["an error", "5", "null", "Symbol(s)"],
    );
  });
});

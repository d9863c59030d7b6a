// deno-lint-ignore-file no-control-regex -- Terminals are sent control characters.
import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, it } from "#std/testing/bdd";
import { hasMoved, progressFields, progressLine } from "../../../src/cli/run/progress.ts";
import { Terminal } from "../../../src/cli/run/terminal.ts";
import { textLine } from "../../../src/cli/run/text_line.ts";
import { ConnectionError, HandlerError } from "../../../src/errors.ts";
import { consumerStatsOf, type WorkerStats } from "../../../src/program/consumer_stats.ts";

const IDLE = consumerStatsOf("kafka_consumer.orders", "running", null);

/** What a consumer that is busy is doing. */
function busy(more: Partial<WorkerStats> = {}, handlers: Partial<WorkerStats["handlers"]> = {}) {
  return {
    ...IDLE,
    messages: 1_234_567,
    messagesPerSecond: 12_345.6,
    lag: 42,
    inFlight: 64,
    ...more,
    handlers: { ...IDLE.handlers, ...handlers },
  };
}

/** What is in a terminal's last line, and what has scrolled above it, after all that was written. */
class Screen {
  readonly isTTY = true;
  columns = 80;
  lines: string[] = [""];

  write(text: string): void {
    for (const part of text.split(/(\r\x1b\[K|\n)/)) {
      if (part === "\r\x1b[K") this.lines[this.lines.length - 1] = "";
      else if (part === "\n") this.lines.push("");
      else this.lines[this.lines.length - 1] += part;
    }
  }
}

describe("progress on a terminal", () => {
  it("tells the rate, the lag, what is in flight, and of what went wrong", () => {
    assert.equal(
      progressLine(busy(), 200),
      "12,346/s  lag 42  in flight 64  1,234,567 done  0 partitions  kafka_consumer.orders",
    );
    const troubled = busy({}, { failed: 3, retries: 2, deadLetters: 1, skipped: 5, invalid: 4 });
    assert.equal(
      progressLine(troubled, 200),
      "12,346/s  lag 42  in flight 64  failed 3  retries 2  dead letters 1  skipped 5  invalid 4  " +
        "1,234,567 done  0 partitions  kafka_consumer.orders",
    );
    assert.match(progressLine(busy({}, { paused: true }), 80), /in flight 64 {2}paused/);
    assert.match(progressLine(busy({ state: "starting" }), 80), /^starting {2}/);
  });

  it("fits, and leaves out first what matters least", () => {
    assert.equal(progressLine(busy(), 40), "12,346/s  lag 42  in flight 64");
    assert.equal(progressLine(busy(), 9), "12,346/s");
    assert.equal(progressLine(busy(), 5), "12,3");
    const figure = fc.integer({ min: 0, max: 2 ** 53 });
    fc.assert(fc.property(
      fc.string({ unit: "binary" }),
      fc.integer({ min: 0, max: 300 }),
      fc.record({ lag: figure, inFlight: figure, messages: figure, messagesPerSecond: figure }),
      fc.record({ failed: figure, deadLetters: figure }),
      (name, width, figures, handlers) => {
        const line = progressLine(busy({ name, ...figures }, handlers), width);
        assert.ok([...line].length <= Math.max(0, width - 1), line);
        assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f]/);
      },
    ));
  });

  it("is logged where there is no terminal, as long as something moves", () => {
    const now = progressFields(busy());
    assert.equal(hasMoved(now, now), false);
    assert.equal(hasMoved({ ...now, messagesPerSecond: 0, state: "stopping" }, now), false);
    for (const name of ["messages", "lag", "inFlight", "failed", "deadLetters"]) {
      assert.equal(hasMoved({ ...now, [name]: 7 }, now), true, name);
    }
    assert.equal(now.messagesPerSecond, 12_346);
  });
});

describe("a terminal with a last line", () => {
  it("draws it again below what is logged, and removes it at the end", () => {
    const screen = new Screen();
    const terminal = new Terminal(screen);
    terminal.log("first");
    assert.deepEqual(screen.lines, ["first", ""]);
    terminal.show("1/s");
    terminal.log("second\nthird");
    assert.deepEqual(screen.lines, ["first", "second", "third", "1/s"]);
    terminal.show("22/s");
    terminal.show("3/s");
    assert.deepEqual(screen.lines.slice(3), ["3/s"]);
    terminal.show("");
    terminal.log("last");
    assert.deepEqual(screen.lines, ["first", "second", "third", "last", ""]);
  });

  it("writes nothing where nothing has changed, and nothing but lines without one", () => {
    const written: string[] = [];
    const terminal = new Terminal({ write: (text) => written.push(text) });
    terminal.show("");
    terminal.log("a line");
    terminal.show("1/s");
    terminal.show("1/s");
    assert.deepEqual(written, ["a line\n", "\r\x1b[K1/s"]);
  });

  it("is 80 columns wide if it does not know", () => {
    const screen = new Screen();
    const terminal = new Terminal(screen);
    assert.equal(terminal.width, 80);
    screen.columns = 132;
    assert.equal(terminal.width, 132);
    screen.columns = 0;
    assert.equal(terminal.width, 80);
    assert.equal(new Terminal({ write() {} }).width, 80);
  });
});

describe("log lines for people", () => {
  const time = new Date("2026-11-21T12:34:56.789Z");
  const line = (message: string, fields?: Record<string, unknown>) =>
    textLine(time, "warn", message, fields);

  it("have the fields behind the message", () => {
    assert.equal(line("Said"), "2026-11-21T12:34:56.789Z warn  Said");
    assert.equal(
      line("Said", {
        consumer: "c",
        topic: "orders",
        offset: 5,
        left: undefined,
        at: "a b",
        x: [1],
      }),
      '2026-11-21T12:34:56.789Z warn  Said topic=orders offset=5 at="a b" x=[1]',
    );
  });

  it("tell what caused an error, once, and where it was thrown only of a handler", () => {
    const socket = new Error("connect ECONNREFUSED 127.0.0.1:1");
    const refused = new ConnectionError(`Cannot connect: ${socket.message}`, { cause: socket });
    assert.equal(line(refused.message, { error: refused }).split("\n").length, 1);
    const lookup = new ConnectionError("Cannot connect", { cause: socket });
    assert.deepEqual(line("Cannot connect", { error: lookup }).split("\n").slice(1), [
      "  cause: Error: connect ECONNREFUSED 127.0.0.1:1",
    ]);
    const bug = new HandlerError("It failed: no", { cause: new TypeError("no") });
    const lines = line(bug.message, { error: bug }).split("\n");
    assert.match(lines[0]!, /It failed: no$/);
    assert.ok(lines.length > 2 && lines.slice(1).every((line) => line.startsWith("  ")));
    assert.match(lines.slice(1).join("\n"), /TypeError: no|screen_test/);
    assert.match(line("Odd", { error: "only text" }), /\n {2}only text$/);
  });

  it("cannot move the cursor, nor ring the bell, whatever a message says", () => {
    const text = line("\x1b[2J\x07gone\r", { key: "\x9b31m", error: new Error("x\x1bc") });
    assert.doesNotMatch(text, /[\x00-\x09\x0b-\x1f\x7f-\x9f]/);
    assert.match(text, /gone/);
  });
});

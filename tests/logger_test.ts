import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import {
  atLeast,
  LOG_LEVELS,
  type Logger,
  safeLogger,
  withFields,
  withoutLife,
} from "../src/logger.ts";

describe("atLeast()", () => {
  it("passes a level and those above it", () => {
    const passed = LOG_LEVELS.map((threshold) =>
      LOG_LEVELS.filter((level) => atLeast(level, threshold)).join(" ")
    );
    assert.deepEqual(passed, [
      "debug info warn error",
      "info warn error",
      "warn error",
      "error",
      "",
    ]);
  });
});

describe("safeLogger()", () => {
  it("passes on what reaches the threshold, as calls of the logger's methods", () => {
    const calls: unknown[] = [];
    const logger: Logger = {
      debug: (...all) => calls.push(all),
      info: (...all) => calls.push(all),
      warn(...all) {
        calls.push([this === logger, ...all]);
      },
      error: (...all) => calls.push(all),
    };
    const safe = safeLogger(logger, "info");
    safe.debug("a");
    safe.info("b");
    safe.warn("c", { offset: 1 });
    safe.error("d");
    assert.deepEqual(calls, [["b"], [true, "c", { offset: 1 }], ["d"]]);
  });

  it("drops what the logger throws and rejects with", async () => {
    let thenRan: (() => void) | undefined;
    const ran = new Promise<void>((resolve) => thenRan = resolve);
    const safe = safeLogger({
      debug() {
        throw new Error("x");
      },
      info: () => Promise.reject(new Error("x")),
      get warn(): Logger["warn"] {
        throw new Error("x");
      },
      error: () => ({
        then() {
          thenRan?.();
          throw new Error("x");
        },
      }),
    });
    safe.debug("a");
    safe.info("b");
    safe.warn("c");
    safe.error("d");
    await ran; // An unhandled rejection would fail this file.
  });
});

describe("withFields() and withoutLife()", () => {
  it("say more with each line, and less", () => {
    const calls: unknown[] = [];
    const logger: Logger = {
      debug: (...all) => calls.push(["debug", ...all]),
      info: (...all) => calls.push(["info", ...all]),
      warn: (...all) => calls.push(["warn", ...all]),
      error: (...all) => calls.push(["error", ...all]),
    };
    const more = withFields(withFields(logger, { consumer: "c", thread: "poller" }), {
      thread: "x",
    });
    more.info("a");
    more.error("b", { consumer: "own", offset: 7 });
    const less = withoutLife(more);
    for (const level of ["debug", "info", "warn", "error"] as const) less[level](level);
    assert.deepEqual(calls, [
      ["info", "a", { consumer: "c", thread: "x" }],
      ["error", "b", { consumer: "own", thread: "x", offset: 7 }],
      ["debug", "debug", { consumer: "c", thread: "x" }],
      ["warn", "warn", { consumer: "c", thread: "x" }],
    ]);
  });
});

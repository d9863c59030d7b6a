import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { CLIENTS } from "./client.ts";
import { CLIENT_TRAITS } from "./clients/mod.ts";
import { DIFFERENCES } from "./differences.ts";
import { MATRIX } from "./matrix.ts";
import { canRun } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/mod.ts";
import { SHARED_SCENARIOS } from "./together.ts";

const LETTERS = ["J", "P", "C", "K"];

describe("the conformance suite", () => {
  const rows = Object.values(SCENARIOS).flat().map((scenario) =>
    [
      scenario.title,
      CLIENTS.map((name, at) => canRun(CLIENT_TRAITS[name], scenario) ? LETTERS[at] : ".").join(""),
    ] as const
  );

  it("runs each scenario with the clients that are written down", () => {
    assert.deepEqual(rows, MATRIX);
  });

  it("runs each scenario with a client, and most of them with three or more", () => {
    const counts = rows.map(([, clients]) => clients.replaceAll(".", "").length);
    assert(counts.every((count) => count > 0));
    assert(counts.filter((count) => count >= 3).length > 0.8 * counts.length);
  });

  it("has each title and each difference once", () => {
    for (
      const names of [
        [...rows.map(([title]) => title), ...SHARED_SCENARIOS.map(({ title }) => title)],
        DIFFERENCES.map(({ about }) => about),
      ]
    ) assert.equal(new Set(names).size, names.length);
  });

  it("has only differences in which the brokers differ", () => {
    for (const { about, answers } of DIFFERENCES) {
      assert.notDeepEqual(answers.embedded, answers.apache, about);
    }
  });
});

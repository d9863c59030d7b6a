import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { main } from "../../src/cli/mod.ts";
import { kafkaThreads } from "./command.ts";

/** Arguments that are wrong, and what is said about them. */
const WRONG: readonly (readonly [string[], RegExp])[] = [
  [["broker", "--port", "abc"], /--port.*'abc'.*whole number from 0 to 65535/],
  [["broker", "--port", "65536"], /--port.*'65536'.*whole number from 0 to 65535/],
  [["broker", "--nodes", "0"], /--nodes.*'0'.*whole number from 1 to 100/],
  [["broker", "--partitions", "1.5"], /--partitions.*'1\.5'.*whole number from 1/],
  [["broker", "--topic", "orders:none"], /--topic.*'orders:none'.*name:partitions/],
  [["broker", "--topic", "a:1:2"], /--topic.*'a:1:2'.*name:partitions/],
  [["broker", "--topic", "a", "--topic", "a:2"], /--topic.*'a:2'.*there twice/],
  [["broker", "--prot", "1"], /unknown option '--prot'[\s\S]*--port/],
  [["broker", "9092"], /too many arguments/],
  [["brok"], /unknown command 'brok'[\s\S]*broker/],
  [["demo", "--bootstrap"], /--bootstrap.*argument missing/],
];

/** Runs the command in this process. */
async function run(args: readonly string[]) {
  let stdout = "";
  let stderr = "";
  const code = await main(args, {
    writeOut: (text) => stdout += text,
    writeErr: (text) => stderr += text,
  });
  return { code, stdout, stderr };
}

describe("kafka-threads", () => {
  for (const [args, expected] of WRONG) {
    it(`ends with exit code 2 and says why: ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await run(args);
      assert.equal(code, 2);
      assert.match(stderr, expected);
      assert.equal(stdout, "");
    });
  }

  it("prints its commands on --help, and each command its options", async () => {
    const { code, stdout } = await run(["--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /broker[\s\S]*demo/);
    const broker = await run(["broker", "--help"]);
    assert.equal(broker.code, 0);
    assert.match(broker.stdout, /--port <number>[\s\S]*9092[\s\S]*--topic/);
  });

  it("prints its help and ends with exit code 2 if it is told nothing", async () => {
    const { code, stderr } = await run([]);
    assert.equal(code, 2);
    assert.match(stderr, /Usage: kafka-threads/);
  });

  it("exits with its code when it is the program", async () => {
    await using wrong = kafkaThreads(["broker", "--port", "abc"]);
    await using help = kafkaThreads(["--help"]);
    const [{ code, stderr }, helped] = await Promise.all([wrong.ended, help.ended]);
    assert.equal(code, 2);
    assert.match(stderr, /'abc'/);
    assert.equal(helped.code, 0);
    assert.match(helped.stdout, /Usage/);
  });
});

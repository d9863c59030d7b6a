import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { before, describe, it } from "#std/testing/bdd";
import { smallTopic } from "../small_topic.ts";
import { run } from "../support.ts";

const EXAMPLE = "examples/least_permissions.ts";
const slow = { timeout: 60_000 };

/** The flags in the example's header, each list of names as a list. */
const FLAGS = [
  ...(await readFile(new URL(`../../../${EXAMPLE}`, import.meta.url), "utf8"))
    .matchAll(/^\/\/ +(--(?:allow|ignore)-\w+)=(\S+)/gm),
].map(([, flag, names]) => ({ flag: flag!, names: names!.split(",") }));

describe("the permissions of examples/least_permissions.ts", () => {
  let env: Awaited<ReturnType<typeof smallTopic>>;
  before(async () => {
    env = await smallTopic();
  }, slow);

  const runWith = (flags: typeof FLAGS) =>
    run([
      process.execPath,
      "run",
      "--no-prompt",
      ...flags
        .filter(({ names }) => names.length > 0)
        .map(({ flag, names }) => `${flag}=${names.join(",")}`)
        // The header names Kafka's usual address.
        .map((text) => text.replace("localhost:9092", env.KAFKA_BOOTSTRAP_SERVERS)),
      EXAMPLE,
    ], env);

  it("are enough", slow, async () => {
    assert.deepEqual(
      FLAGS.map(({ flag }) => flag),
      ["--allow-net", "--allow-read", "--allow-env", "--ignore-env"],
    );
    const { code, stdout, stderr } = await runWith(FLAGS);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^10: /m);
  });

  it("are enough with the names of --ignore-env allowed instead", slow, async () => {
    const [env, ignored] = FLAGS.slice(2);
    const allowed = { flag: "--allow-env", names: [...env!.names, ...ignored!.names] };
    const { code, stderr } = await runWith([...FLAGS.slice(0, 2), allowed]);
    assert.equal(code, 0, stderr);
  });

  for (const { flag, names } of FLAGS) {
    for (const name of names) {
      it(`are all needed: ${flag}=${name}`, slow, async () => {
        const rest = FLAGS.map((other) =>
          other.flag === flag ? { flag, names: other.names.filter((text) => text !== name) } : other
        );
        const { code, stderr } = await runWith(rest);
        assert.equal(code, 1);
        assert.match(stderr, /Requires (net|read|env) access/);
      });
    }
  }
});

import assert from "node:assert/strict";
import { connect } from "node:net";
import { describe, it } from "#std/testing/bdd";
import { KafkaBroker } from "../../src/testing/mod.ts";
import { withAdmin } from "../support/kafka/client.ts";
import { produce } from "../support/kafka/mod.ts";
import { kafkaThreads } from "./command.ts";

const STARTED = "Kafka broker for development and tests listens on ";

/** The address in the line that the command begins with. */
function addressOf(line: string): string {
  return line.split(";")[0]!;
}

/** Whether nobody listens any more. */
function refuses(address: string): Promise<boolean> {
  const [host, port] = address.split(":") as [string, string];
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.once("connect", () => {
      socket.destroy();
      resolve(false);
    });
    socket.once("error", () => resolve(true));
  });
}

describe("kafka-threads broker", () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    it(`serves its topics until ${signal}, and ends with exit code 0`, async () => {
      await using command = kafkaThreads([
        "broker",
        "--port=0",
        "--topic=orders:3",
        "--topic=mails",
      ]);
      const address = addressOf(await command.line(STARTED));
      await command.line("Ctrl-C");
      const partitions = await withAdmin(address, async (admin) => {
        const { topics } = await admin.fetchTopicMetadata({ topics: ["orders", "mails"] });
        return Object.fromEntries(topics.map((topic) => [topic.name, topic.partitions.length]));
      });
      assert.deepEqual(partitions, { orders: 3, mails: 1 });
      command.kill(signal);
      const { code, stdout, stderr } = await command.ended;
      assert.equal(code, 0, stderr);
      assert.match(stdout, /topic orders, 3 partitions\n/);
      assert.match(stdout, /topic mails, 1 partition\n/);
      assert.match(stdout, /memory/, "it says what it is");
      assert.match(stdout, /stopped\.\n$/);
      assert.equal(await refuses(address), true);
    });
  }

  it("takes the port, the nodes and the rest from its arguments", async () => {
    await using probe = await KafkaBroker.start({ nodes: 2, logLevel: "silent" });
    const port = Number(probe.bootstrapServers.split(",")[0]!.split(":")[1]);
    await probe.stop();
    await using command = kafkaThreads([
      "broker",
      `--port=${port}`,
      "--host=127.0.0.1",
      "--no-auto-create",
      "--verbose",
    ]);
    const address = addressOf(await command.line(STARTED));
    assert.equal(address, `127.0.0.1:${port}`);
    await assert.rejects(
      withAdmin(address, (admin) => admin.fetchTopicMetadata({ topics: ["missing"] }), {
        retry: { retries: 0 },
      }),
      /does not host this topic/,
    );
  });

  it("makes topics of so many partitions when something is produced to them", async () => {
    await using command = kafkaThreads(["broker", "--port=0", "--partitions=4", "--nodes=2"]);
    const address = addressOf(await command.line(STARTED));
    assert.equal(address.split(",").length, 2);
    await produce(address, "new", [{ value: "first" }]);
    const [topic] = await withAdmin(address, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: ["new"] });
      return topics;
    });
    assert.equal(topic!.partitions.length, 4);
  });

  it("says who has the port, and ends with exit code 1", async () => {
    await using broker = await KafkaBroker.start({ logLevel: "silent" });
    const port = broker.bootstrapServers.split(":")[1]!;
    await using command = kafkaThreads(["broker", "--port", port]);
    const { code, stderr } = await command.ended;
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*taken`));
  });

  it("says what is wrong with a topic's name, and ends with exit code 1", async () => {
    await using command = kafkaThreads(["broker", "--port=0", "--topic", "a b:2"]);
    const { code, stderr } = await command.ended;
    assert.equal(code, 1);
    assert.match(stderr, /Cannot create topic "a b".*character/);
  });
});

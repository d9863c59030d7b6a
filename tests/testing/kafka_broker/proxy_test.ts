import assert from "node:assert/strict";
import { describe, it } from "#std/testing/bdd";
import { FaultProxy, KafkaBroker } from "../../../src/testing/mod.ts";
import { A, rawClient } from "./raw_client.ts";
import { proxyTests } from "./proxy_scenarios.ts";
import { eagerClient } from "./support.ts";

proxyTests("KafkaBroker", async () => {
  const stack = new AsyncDisposableStack();
  let target = "";
  const proxy = stack.use(await new FaultProxy(() => target).listen());
  const broker = stack.use(
    await KafkaBroker.start({ advertised: proxy.address, logLevel: "silent" }),
  );
  target = broker.bootstrapServers;
  return { proxy, [Symbol.asyncDispose]: () => stack.disposeAsync() };
});

describe("FaultProxy in front of each node of a KafkaBroker", () => {
  it("is told apart by the node's number", async () => {
    await using stack = new AsyncDisposableStack();
    let targets: string[] = [];
    const proxies = await Promise.all(
      [0, 1, 2].map(async (index) =>
        stack.use(await new FaultProxy(() => targets[index]!).listen())
      ),
    );
    const broker = stack.use(
      await KafkaBroker.start({
        nodes: 3,
        topics: { t: 3 },
        advertised: (nodeId) => proxies[nodeId - 1]!.address,
        logLevel: "silent",
      }),
    );
    targets = broker.bootstrapServers.split(",");
    const client = stack.use(await rawClient(proxies[0]!.address));
    const { brokers } = await client.ask(A.metadata, { topics: [] });
    assert.deepEqual(
      brokers.map(({ nodeId, host, port }: { nodeId: number; host: string; port: number }) => ({
        nodeId,
        address: `${host}:${port}`,
      })),
      proxies.map(({ address }, index) => ({ nodeId: index + 1, address })),
    );
    const { coordinators } = await client.ask(A.findCoordinator, {
      keyType: 0,
      coordinatorKeys: ["group"],
    });
    const [{ host, port, nodeId }] = coordinators;
    assert.equal(`${host}:${port}`, proxies[nodeId - 1]!.address);

    const producer = eagerClient(proxies[0]!.address).producer();
    await producer.connect();
    stack.defer(() => producer.disconnect());
    await producer.send({
      topic: "t",
      messages: [0, 1, 2].map((partition) => ({ partition, value: "a" })),
    });
    assert.ok(proxies.every((proxy) => proxy.stats().accepted > 0));
  });
});

import { FaultProxy } from "../../../src/testing/mod.ts";
import { freePort } from "../../support/free_port.ts";
import { apacheStartable, startApacheKafka } from "../../support/kafka/mod.ts";
import { after } from "#std/testing/bdd";
import { proxyTests } from "./proxy_scenarios.ts";

const startable = await apacheStartable();
let kafka: Promise<AsyncDisposable & { proxy: FaultProxy }> | undefined;

/** Apache Kafka has to know the proxy's address when it starts, and the proxy its. */
async function proxied() {
  const stack = new AsyncDisposableStack();
  const port = await freePort();
  const proxy = stack.use(await new FaultProxy(`127.0.0.1:${port}`).listen());
  stack.use(
    await startApacheKafka({
      port,
      config: { "advertised.listeners": `PLAINTEXT://${proxy.address}` },
    }),
  );
  return { proxy, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

after(async () => await (await kafka)?.[Symbol.asyncDispose]());

proxyTests("Apache Kafka", async () => {
  // One for all: it takes seconds to start.
  const { proxy } = await (kafka ??= proxied());
  return { proxy, [Symbol.asyncDispose]: () => Promise.resolve(proxy.heal()) };
}, startable.ok ? {} : { skip: startable.reason });

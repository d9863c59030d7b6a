import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import {
  AuthenticationError,
  ConnectionError,
  KafkaThreadsError,
  TopicNotFoundError,
} from "../../../../src/errors.ts";
import { freePort } from "../../../support/free_port.ts";
import {
  brokerHas,
  createTopic,
  produce,
  uniqueName,
  unsecuredToken,
} from "../../../support/kafka/mod.ts";
import type { DriverSasl } from "../../../../src/driver.ts";
import type { Place } from "./place.ts";

/** How soon a driver must say that it cannot reach, or is not let in by, a broker. */
const BOUNDED_MS = 15_000;

/** Scenarios about the way to the broker. */
export function connecting({ scenario, member, kafka, subscription }: Place): void {
  scenario("connects at the first poll, not earlier", async (scope) => {
    const { server, address, connections } = await silentServer(scope);
    const lazy = await member(scope, {
      bootstrapServers: [address],
      groupId: "none",
      topics: ["none"],
    });
    // The first connection that the server sees is this one, so the driver had made none before.
    const [host, port] = address.split(":");
    const own = connect({ host: host!, port: Number(port) });
    scope.defer(() => void own.destroy());
    if (connections.length === 0) await once(server, "connection");
    assert.equal(connections.length, 1);

    const polled = lazy.driver.poll(1_000).catch(() => {});
    if (connections.length === 1) await once(server, "connection");
    const started = performance.now();
    await lazy.close();
    await withinBounds(polled);
    assert(performance.now() - started < 3_000, "it closes while it is connecting");
  });

  scenario("says that no broker can be reached, and that it may try again", async (scope) => {
    const nobody = await member(scope, {
      bootstrapServers: [`127.0.0.1:${await freePort()}`],
      groupId: "none",
      topics: ["none"],
    });
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await withinBounds(failureOf(() => nobody.driver.poll(0)));
      assert(ConnectionError.is(error), String(error));
      assert.equal(error.retriable, true);
    }
  });

  scenario("names the topics that do not exist", async (scope) => {
    const { bootstrapServers, groupId, topics } = await subscription();
    const missing = [uniqueName("missing"), uniqueName("missing")];
    const reader = await member(scope, {
      bootstrapServers,
      groupId,
      topics: [...topics, ...missing],
    });
    const error = await withinBounds(failureOf(() => reader.driver.poll(0)));
    assert(TopicNotFoundError.is(error), String(error));
    assert.equal(error.retriable, false);
    assert.deepEqual(error.topics.toSorted(), missing.toSorted());
    for (const topic of missing) assert(error.message.includes(topic));
    assert.deepEqual(reader.calls, []);
  });

  scenario("finds a topic that has been made just now", async (scope) => {
    const { bootstrapServers } = await kafka();
    const topic = uniqueName("contract");
    const reader = await member(scope, {
      bootstrapServers: [bootstrapServers],
      groupId: uniqueName("contract"),
      topics: [topic],
    });
    const created = createTopic(bootstrapServers, topic);
    await reader.poll(0).catch(async (error) => {
      // The poll may have been first, by more than the second that it waits.
      if (!TopicNotFoundError.is(error)) throw error;
      await created;
      await reader.poll(0);
    });
    await created;
    assert.deepEqual(reader.assigned.map(({ partition }) => partition), [0]);
  });

  scenario("reads through TLS with a client's certificate", async (scope) => {
    const { tls } = await kafka();
    if (tls === undefined) return;
    const { groupId, topics, bootstrapServers: [plain] } = await subscription();
    await produce(plain, topics[0], [{ value: "secret" }]);
    const { ca, clientCert: cert, clientKey: key } = tls;
    const reader = await member(scope, {
      bootstrapServers: tls.bootstrapServers.split(","),
      groupId,
      topics,
      ssl: { ca, cert, key },
    });
    await reader.run().untilRead(1);
    assert.deepEqual(reader.errors, []);
  });

  scenario("refuses a server whose certificate nobody vouches for", async (scope) => {
    const { tls } = await kafka();
    if (tls === undefined) return;
    const { groupId, topics } = await subscription();
    const reader = await member(scope, {
      bootstrapServers: tls.bootstrapServers.split(","),
      groupId,
      topics,
      ssl: true,
    });
    const error = await withinBounds(failureOf(() => reader.driver.poll(0)));
    assert(AuthenticationError.is(error), String(error));
    assert.equal(error.retriable, false);
  });

  const mechanisms = ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"] as const;
  for (const mechanism of mechanisms) {
    if (mechanism === "oauthbearer" && !brokerHas.oauthbearer) continue;
    scenario(`logs in with ${mechanism}`, async (scope) => {
      const { sasl: access } = await kafka();
      if (access === undefined) return;
      const { username, password } = access;
      const { groupId, topics, bootstrapServers: [plain] } = await subscription();
      await produce(plain, topics[0], [{ value: "1" }]);
      let tokens = 0;
      const token = () => {
        tokens++;
        return Promise.resolve(unsecuredToken());
      };
      const sasl: DriverSasl = mechanism === "oauthbearer"
        ? { mechanism, token }
        : { mechanism, username, password };
      const bootstrapServers = access.bootstrapServers.split(",");
      const reader = await member(scope, { bootstrapServers, groupId, topics, sasl });
      await reader.run().untilRead(1);
      assert.deepEqual(reader.errors, []);
      if (mechanism === "oauthbearer") assert(tokens >= 1);
    });

    scenario(`is not let in with wrong credentials for ${mechanism}`, async (scope) => {
      const { sasl: access } = await kafka();
      if (access === undefined) return;
      const sasl: DriverSasl = mechanism === "oauthbearer"
        ? { mechanism, token: () => Promise.resolve("not.a.token") }
        : { mechanism, username: access.username, password: "wrong" };
      const { groupId, topics } = await subscription();
      const bootstrapServers = access.bootstrapServers.split(",");
      const stranger = await member(scope, { bootstrapServers, groupId, topics, sasl });
      const error = await withinBounds(failureOf(() => stranger.driver.poll(0)));
      assert(AuthenticationError.is(error), String(error));
      assert.equal(error.retriable, false);
      assert(!error.message.includes("wrong"), "a password is nothing for a log");
    });
  }

  if (!brokerHas.oauthbearer) return;
  scenario("passes on why there is no token", async (scope) => {
    const { sasl: access } = await kafka();
    if (access === undefined) return;
    const { groupId, topics } = await subscription();
    const reason = new Error("the vault is closed");
    const sasl: DriverSasl = { mechanism: "oauthbearer", token: () => Promise.reject(reason) };
    const bootstrapServers = access.bootstrapServers.split(",");
    const nobody = await member(scope, { bootstrapServers, groupId, topics, sasl });
    const error = await withinBounds(failureOf(() => nobody.driver.poll(0)));
    assert(KafkaThreadsError.is(error), String(error));
    assert.match(error.message, /the vault is closed/);
  });
}

/** What a promise rejects with. */
async function failureOf(call: () => Promise<unknown>): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("It was to fail, and it has not");
}

async function withinBounds<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Nothing within ${BOUNDED_MS} ms`)), BOUNDED_MS);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A server that takes connections and says nothing. */
async function silentServer(scope: AsyncDisposableStack) {
  const connections: Socket[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => {});
    connections.push(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  scope.defer(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { server, connections, address: `127.0.0.1:${port}` };
}

function once(server: Server, event: string): Promise<void> {
  return new Promise((resolve) => server.once(event, () => resolve()));
}

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe } from "#std/testing/bdd";
import {
  AuthenticationError,
  isKafkaThreadsError,
  type KafkaOptions,
  type KafkaThreadsError,
} from "../../mod.ts";
import { makeCertificates } from "../support/kafka/certificates.ts";
import {
  brokerHas,
  createTopic,
  produce,
  type SharedKafka,
  sharedKafka,
  uniqueName,
  unsecuredToken,
} from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { collectMessages, type ManagedTest, managerFor } from "../support/manager.ts";
import { sideBySide } from "../support/side_by_side.ts";

/** Long enough to tell a refusal that ends the start from one that is tried again until then. */
const START_TIMEOUT_MS = 60_000;
const QUICKLY_MS = 15_000;

/** Why there is no Kafka whose TLS and SASL listeners are known. */
const lacking = needsKafka.skip === undefined && (await sharedKafka()).sasl === undefined
  ? { skip: "KAFKA_BOOTSTRAP_SERVERS names a Kafka of which no TLS and SASL listeners are known" }
  : needsKafka;

describe("ThreadManager and a broker with TLS and SASL", lacking, () => {
  let kafka: SharedKafka;
  let topic: Promise<string> | undefined;
  let topicName: string;
  const register = sideBySide(4);
  /** Registers a test that has a Kafka with a topic that holds a message. */
  const scenario = (name: string, run: () => Promise<void>) =>
    register(name, async () => {
      kafka = await sharedKafka();
      topicName = await (topic ??= makeTopic(kafka.bootstrapServers));
      await run();
    });
  /** The same for a test that logs in with tokens. */
  const tokenScenario = (...test: Parameters<typeof scenario>) => {
    if (brokerHas.oauthbearer) scenario(...test);
  };

  const setUp = (consumer: Partial<KafkaOptions>, startTimeoutMs = START_TIMEOUT_MS) => {
    const messages = collectMessages();
    return managerFor(topicName, { consumer, startTimeoutMs, onMessage: messages.add })
      .then((managed) => ({ managed, messages }));
  };
  const overTls = (ssl: Exclude<KafkaOptions["ssl"], undefined>, startTimeoutMs?: number) =>
    setUp({ bootstrapServers: kafka.tls!.bootstrapServers, ssl }, startTimeoutMs);
  const overSasl = (sasl: NonNullable<KafkaOptions["sasl"]>) =>
    setUp({ bootstrapServers: kafka.sasl!.bootstrapServers, sasl });

  scenario("reads over TLS, with a certificate of its own and without", async () => {
    const { ca, clientCert: cert, clientKey: key } = kafka.tls!;
    for (const ssl of [{ ca }, { ca, cert, key }, { rejectUnauthorized: false }]) {
      const { managed, messages } = await overTls(ssl);
      await using _ = managed;
      await managed.manager.start();
      assert.equal((await messages.next()).text(), "secret of the topic");
      await managed.manager.stop();
      if ("key" in ssl) assertNoSecret(managed, [], key);
    }
  });

  scenario("refuses a broker whose authority it does not trust", async () => {
    const folder = await mkdtemp(join(tmpdir(), "kafka-threads-strangers-"));
    try {
      const strangers = await makeCertificates(folder);
      for (const ssl of [{ ca: strangers.ca }, true] as const) {
        const { managed, messages } = await overTls(ssl, 3_000);
        await using _ = managed;
        const { error } = await failure(managed);
        assert(AuthenticationError.is(error), inspect(error));
        assert.match(error.message, /certificate|self.signed|issuer/i);
        assert.equal(messages.items.length, 0);
      }
      const { ca } = kafka.tls!;
      const { managed } = await overTls({
        ca,
        cert: strangers.clientCert,
        key: strangers.clientKey,
      }, 3_000);
      await using _ = managed;
      const { error } = await failure(managed);
      assertNoSecret(managed, [error], strangers.clientKey);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  for (const mechanism of ["plain", "scram-sha-256", "scram-sha-512"] as const) {
    scenario(`logs in with ${mechanism}, and says at once when it is refused`, async () => {
      const { username, password } = kafka.sasl!;
      {
        const { managed, messages } = await overSasl({ mechanism, username, password });
        await using _ = managed;
        await managed.manager.start();
        assert.equal((await messages.next()).text(), "secret of the topic");
        await managed.manager.stop();
        assertNoSecret(managed, [], password);
      }
      const wrong = "wrong-hunter2-password";
      const { managed } = await overSasl({ mechanism, username, password: wrong });
      await using _ = managed;
      const { error, tookMs } = await failure(managed);
      assert(AuthenticationError.is(error), inspect(error));
      assert.equal(error.code, "AUTHENTICATION_FAILED");
      assert.equal(error.retriable, false);
      assert(tookMs < QUICKLY_MS, `it took ${tookMs} ms`);
      assertNoSecret(managed, [error], wrong);
    });
  }

  tokenScenario("asks for a token on the program's thread", async () => {
    const tokens: string[] = [];
    const { managed, messages } = await overSasl({
      mechanism: "oauthbearer",
      token: () => {
        // A closure over the test's own list: no other thread has it.
        tokens.push(unsecuredToken());
        return Promise.resolve(tokens.at(-1)!);
      },
    });
    await using _ = managed;
    await managed.manager.start();
    assert.equal((await messages.next()).text(), "secret of the topic");
    await managed.manager.stop();
    assert(tokens.length >= 1);
    for (const token of tokens) assertNoSecret(managed, [], token);
  });

  tokenScenario("says at once when a token is refused", async () => {
    const token = unsecuredToken("alice", { lifetimeMs: -60_000 });
    const { managed } = await overSasl({
      mechanism: "oauthbearer",
      token: () => Promise.resolve(token),
    });
    await using _ = managed;
    const { error, tookMs } = await failure(managed);
    assert(AuthenticationError.is(error), inspect(error));
    assert(tookMs < QUICKLY_MS, `it took ${tookMs} ms`);
    assertNoSecret(managed, [error], token);
  });

  const bad: [string, () => Promise<string>, RegExp][] = [
    ["rejects", () => Promise.reject(new TypeError("the vault is sealed")), /the vault is sealed/],
    ["throws", () => {
      throw new TypeError("the vault is sealed");
    }, /the vault is sealed/],
    [
      "gives no text",
      () => Promise.resolve(undefined as unknown as string),
      /must resolve to a string/,
    ],
  ];
  for (const [what, token, message] of bad) {
    tokenScenario(`carries the error of a token function that ${what}`, async () => {
      const { managed } = await setUp({
        bootstrapServers: kafka.sasl!.bootstrapServers,
        sasl: { mechanism: "oauthbearer", token },
      }, 5_000);
      await using _ = managed;
      const { error } = await failure(managed);
      assert.match(error.message, message);
      let root: unknown = error;
      while (root instanceof Error && root.cause !== undefined) root = root.cause;
      assert.equal((root as Error).name, "TypeError");
    });
  }

  tokenScenario("asks again when a token could not be had", async () => {
    let asked = 0;
    const { managed, messages } = await overSasl({
      mechanism: "oauthbearer",
      token: () => {
        if (++asked < 3) return Promise.reject(new Error("the vault is restarting"));
        return Promise.resolve(unsecuredToken());
      },
    });
    await using _ = managed;
    await managed.manager.start();
    assert.equal((await messages.next()).text(), "secret of the topic");
    assert(asked >= 3);
  });

  scenario("says so when the listener wants what it was not given", async () => {
    // Neither side can tell what the other one speaks: what matters is that it ends, and says why.
    const { managed } = await setUp({ bootstrapServers: kafka.sasl!.bootstrapServers }, 3_000);
    await using _ = managed;
    const { error } = await failure(managed);
    assert(error.message.length > 0);
  });
});

async function makeTopic(bootstrapServers: string): Promise<string> {
  const topic = uniqueName("secure");
  await createTopic(bootstrapServers, topic);
  await produce(bootstrapServers, topic, [{ value: "secret of the topic" }]);
  return topic;
}

/** Has a start fail, and returns what it failed with and after how long. */
async function failure({ manager }: ManagedTest) {
  const since = performance.now();
  const error = await manager.start().then(
    () => assert.fail("it has started"),
    (error: KafkaThreadsError) => error,
  );
  assert(isKafkaThreadsError(error), inspect(error));
  assert.equal(manager.state, "failed");
  await assert.rejects(manager.closed, (closed) => closed === error);
  return { error, tookMs: performance.now() - since };
}

/** Nothing that was logged or thrown holds the secret, in whatever way it is printed. */
function assertNoSecret({ log, manager }: ManagedTest, errors: unknown[], secret: string): void {
  const texts = [
    JSON.stringify(log.items),
    inspect(log.items, { depth: Infinity, showHidden: true }),
    JSON.stringify(manager.stats()),
    ...errors.flatMap((error) => [
      inspect(error, { depth: Infinity, showHidden: true }),
      JSON.stringify(error, Object.getOwnPropertyNames(error)),
      String((error as Error).stack),
    ]),
  ];
  // As it is, as JSON writes it, and as PLAIN sends it.
  const forms = [secret, JSON.stringify(secret).slice(1, -1), btoa(secret).replace(/=+$/, "")];
  for (const text of texts) {
    for (const form of forms) {
      const at = text.indexOf(form);
      assert.equal(at, -1, `the secret stands in: ${text.slice(Math.max(0, at - 100), at)}…`);
    }
  }
}

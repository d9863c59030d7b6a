import assert from "node:assert/strict";
import { Admin, Connection } from "@platformatic/kafka";
import { after, before, describe, it } from "#std/testing/bdd";
import type { BrokerUnderTest } from "./brokers.ts";
import type { ConformanceClient } from "./client.ts";
import { CLIENT_TRAITS, type ClientKind, findClients } from "./clients/mod.ts";
import { platformaticOptions } from "./clients/platformatic.ts";
import { type Difference, DIFFERENCES } from "./differences.ts";
import { canRun, runScenario, type Scenario, topicOn } from "./scenario.ts";
import { SCENARIOS } from "./scenarios/mod.ts";
import { SHARED_SCENARIOS } from "./together.ts";

/** Most of a scenario is waiting: so many run at once. */
const AT_ONCE = 8;
/** How many scenarios may have begun before it is their turn. */
const AHEAD = 40;
const PATIENCE = { timeout: 90_000 };

/** What {@linkcode conformanceTests} takes. */
export interface SuiteOptions {
  /** Gives the broker, when the first test begins. */
  start(): Promise<BrokerUnderTest>;
  /** Why none of the tests can run. */
  skip?: string | undefined;
  /** Why those of TLS and SASL cannot. */
  skipSecurity?: string | undefined;
}

/**
 * Registers the tests of all scenarios with all clients that can run them, on one broker.
 *
 * @param name The broker.
 * @param options How to get it.
 */
export async function conformanceTests(
  name: BrokerUnderTest["name"],
  options: SuiteOptions,
): Promise<void> {
  const kinds = await findClients();
  describe(`${name} and clients that know nothing of it`, skipIf(options.skip), () => {
    const clients = new Map<ClientKind, ConformanceClient>();
    const ahead = new Ahead();
    let broker: BrokerUnderTest;
    before(async () => {
      broker = await options.start();
    }, PATIENCE);
    after(async () => {
      await ahead.settled();
      for (const client of clients.values()) await client[Symbol.asyncDispose]();
      await broker?.[Symbol.asyncDispose]();
    }, PATIENCE);

    const clientOf = (kind: ClientKind): ConformanceClient => {
      let client = clients.get(kind);
      if (client === undefined) clients.set(kind, client = kind.connect(broker));
      return client;
    };
    for (const [about, scenarios] of Object.entries(SCENARIOS)) {
      describe(about, skipIf(about === "security" ? options.skipSecurity : undefined), () => {
        for (const scenario of scenarios) {
          for (const kind of kindsFor(kinds, scenario)) {
            const title = `${scenario.title} (${kind.name})`;
            if (!kind.available.ok) {
              it(title, skipIf(reasonOf(kind)), () => {});
              continue;
            }
            const run = () => runScenario(scenario, broker, kind, clientOf(kind));
            it(title, PATIENCE, ahead.add(run));
          }
        }
      });
    }

    describe("different clients", () => {
      for (const scenario of SHARED_SCENARIOS) {
        const wanted = kinds.filter(({ name }) => scenario.clients.includes(name));
        const missing = wanted.find(({ available }) => !available.ok);
        if (missing !== undefined) {
          it(scenario.title, skipIf(reasonOf(missing)), () => {});
          continue;
        }
        const run = () =>
          scenario.run({
            broker,
            client: (name) => clientOf(kinds.find((kind) => kind.name === name)!),
            topic: (options) => topicOn(broker.bootstrapServers, options),
          });
        it(scenario.title, PATIENCE, ahead.add(run));
      }
    });

    describe("where the brokers differ", () => {
      for (const difference of DIFFERENCES) {
        const skip = difference.secure ? options.skipSecurity : undefined;
        it(difference.about, { ...PATIENCE, ...skipIf(skip) }, async () => {
          const client = clientOf(kinds.find(({ name }) => name === "@platformatic/kafka")!);
          const answers = await probe(difference, broker, client);
          const { embedded, apache } = difference.answers;
          assert.deepEqual(answers, name === "KafkaBroker" ? embedded : apache);
        });
      }
    });
  });
}

async function probe(
  difference: Difference,
  broker: BrokerUnderTest,
  client: ConformanceClient,
): Promise<unknown> {
  const open: Connection[] = [];
  const connect = async (bootstrapServers: string) => {
    const [host, port] = bootstrapServers.split(",")[0]!.split(":");
    const connection = new Connection("conformance");
    open.push(connection);
    await connection.connect(host!, Number(port));
    return connection;
  };
  try {
    return await difference.probe({
      connection: await connect(broker.bootstrapServers),
      async leaderConnection(topic) {
        const admin = new Admin(platformaticOptions(broker));
        const { brokers, topics } = await admin.metadata({ topics: [topic] })
          .finally(() => admin.close());
        const { host, port } = brokers.get(topics.get(topic)!.partitions[0]!.leader)!;
        return await connect(`${host}:${port}`);
      },
      saslConnection: () => connect(broker.secure!.sasl.bootstrapServers),
      client,
      topic: (config = {}) => topicOn(broker.bootstrapServers, { config }),
    });
  } finally {
    await Promise.all(open.map((connection) => connection.close()));
  }
}

function reasonOf({ available }: ClientKind): string | undefined {
  return available.ok ? undefined : available.reason;
}

function kindsFor(kinds: readonly ClientKind[], scenario: Scenario): ClientKind[] {
  return kinds.filter(({ name }) => canRun(CLIENT_TRAITS[name], scenario));
}

function skipIf(skip: string | undefined): { skip?: string } {
  return skip === undefined ? {} : { skip };
}

/**
 * Runs jobs ahead of the tests that wait for their results. All three runtimes run the tests of a file
 * one after the other; this way some have begun before it is their turn.
 */
class Ahead {
  readonly #jobs: (() => Promise<void>)[] = [];
  readonly #results: Promise<void>[] = [];
  #running = 0;
  #limit = 0;

  /** Adds a job; the function begins it and some behind it, and gives its result. */
  add(run: () => Promise<void>): () => Promise<void> {
    const index = this.#jobs.push(run) - 1;
    return () => {
      // Only so far: who runs single tests does not want all the others.
      this.#limit = Math.min(index + AHEAD, this.#jobs.length);
      this.#start(index);
      this.#fill();
      return this.#results[index]!;
    };
  }

  /** Resolves when all that have begun have ended. */
  async settled(): Promise<void> {
    this.#limit = 0;
    await Promise.allSettled(this.#results.filter((result) => result !== undefined));
  }

  #fill(): void {
    for (let at = 0; at < this.#limit && this.#running < AT_ONCE; at++) this.#start(at);
  }

  #start(index: number): void {
    if (this.#results[index] !== undefined) return;
    this.#running++;
    const result = this.#jobs[index]!();
    this.#results[index] = result;
    // Whoever waits for it is told; nobody may, if that test is not run.
    result.catch(() => {}).then(() => {
      this.#running--;
      this.#fill();
    });
  }
}

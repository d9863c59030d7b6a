import assert from "node:assert/strict";
import { it } from "#std/testing/bdd";
import type { KafkaCluster } from "../../support/kafka/mod.ts";
import type { OwnKafka } from "./own_kafka.ts";

/** Bun gives a test 5 s if it says nothing else. */
const TIMEOUT_MS = 120_000;

/** What a test does with a Kafka that others use as well, until and while its broker is away. */
export interface SharedOutage {
  /** The Kafka. */
  readonly kafka: KafkaCluster;
  /** Resolves when all others are ready for the outage; for the one test that cannot wait for them. */
  othersAreReady(): Promise<void>;
  /**
   * Says that this test is ready, and does something when all are, and the broker has been killed.
   * Resolves when it is back, if it comes back at all.
   */
  whileBrokerIsAway(task: () => Promise<void>): Promise<void>;
}

/** A test of an outage. */
export type OutageTest = (outage: SharedOutage) => Promise<void>;

/**
 * Registers tests of what happens while a broker is away. They all begin together, and it is killed once
 * for all of them: to start it again costs Apache Kafka seconds of a core.
 *
 * @param own Lends a Kafka.
 * @param returns Whether the broker comes back for them, when all have done what is to be done meanwhile.
 * @returns Registers a test.
 */
export function sharedOutage(
  own: OwnKafka,
  returns: boolean,
): (name: string, run: OutageTest) => void {
  const tests: { run: OutageTest; result: PromiseWithResolvers<void> }[] = [];
  let all: Promise<void> | undefined;
  const beginAll = () =>
    all ??= own.lend(async (kafka) => {
      const outage = new Outage(kafka, tests.length, returns);
      const ended = tests.map(({ run }) => outage.attendedBy(run));
      ended.forEach((promise, index) => tests[index]!.result.resolve(promise));
      const failure = (await Promise.allSettled(ended)).find(({ status }) => status === "rejected");
      assert.equal(failure, undefined);
      if (!kafka.brokers[0]!.isUp) await kafka.brokers[0]!.start();
    });
  return (name, run) => {
    const result = Promise.withResolvers<void>();
    // Whoever waits for it hears of a failure; nobody may be waiting yet.
    result.promise.catch(() => {});
    tests.push({ run, result });
    const runAll = async () => {
      // Where there is no Kafka, it is nobody's turn.
      await Promise.race([result.promise, beginAll().then(() => result.promise)]);
    };
    if (tests.length > 1) return it(name, { timeout: TIMEOUT_MS }, runAll);
    // It stands for all of them among those that have a Kafka for themselves.
    own.register(name, async () => {
      await beginAll().catch(() => {});
      await runAll();
    });
  };
}

/** One outage, and how far those have come that attend it. */
class Outage {
  readonly #kafka: KafkaCluster;
  readonly #returns: boolean;
  readonly #last = Promise.withResolvers<void>();
  readonly #away = Promise.withResolvers<void>();
  readonly #back = Promise.withResolvers<void>();
  /** Who is not ready yet. */
  #expected: number;
  /** Who is not done yet. */
  #busy: number;

  constructor(kafka: KafkaCluster, tests: number, returns: boolean) {
    this.#kafka = kafka;
    this.#expected = this.#busy = tests;
    this.#returns = returns;
    if (tests === 1) this.#last.resolve();
    for (const { promise } of [this.#last, this.#away, this.#back]) promise.catch(() => {});
  }

  async attendedBy(run: OutageTest): Promise<void> {
    let ready = false;
    let done = false;
    const isReady = () => {
      if (!ready) this.#oneIsReady();
      ready = true;
    };
    const isDone = () => {
      isReady();
      if (!done) this.#oneIsDone();
      done = true;
    };
    try {
      await run({
        kafka: this.#kafka,
        othersAreReady: () => this.#last.promise,
        whileBrokerIsAway: async (task) => {
          isReady();
          await this.#away.promise;
          try {
            await task();
          } finally {
            isDone();
          }
          if (this.#returns) await this.#back.promise;
        },
      });
    } finally {
      // Nobody waits for one that has failed before.
      isDone();
    }
  }

  #oneIsReady(): void {
    this.#expected--;
    if (this.#expected <= 1) this.#last.resolve();
    if (this.#expected === 0) this.#away.resolve(this.#kafka.brokers[0]!.kill());
  }

  #oneIsDone(): void {
    this.#busy--;
    if (this.#busy > 0 || !this.#returns) return;
    // Not before it is gone: one may have failed when all others were waiting.
    this.#back.resolve(this.#away.promise.then(() => this.#kafka.brokers[0]!.start()));
  }
}

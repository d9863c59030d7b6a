import assert from "node:assert/strict";
import type { Message } from "../../mod.ts";
import { produce, sharedKafka } from "../support/kafka/mod.ts";
import { needsKafka } from "../support/kafka_skip.ts";
import { type ManagedTest, managerFor, type ManagerOverrides } from "../support/manager.ts";
import type { NumbersOptions } from "./fixtures/numbers_driver.ts";

/** Where the tests' Kafka is; empty where there is none. */
export const { bootstrapServers } = needsKafka.skip
  ? { bootstrapServers: "" }
  : await sharedKafka();

/** Makes a manager for a topic; it is stopped when the scope ends. */
export async function managed(
  scope: AsyncDisposableStack,
  topic: string | string[],
  overrides?: ManagerOverrides,
): Promise<ManagedTest> {
  return scope.use(await managerFor(topic, overrides));
}

/** Makes a manager for a source that is not Kafka: numbers from 0 on. */
export async function numbersManager(
  scope: AsyncDisposableStack,
  numbers: NumbersOptions = {},
  { consumer, ...overrides }: ManagerOverrides = {},
): Promise<ManagedTest> {
  const driver = new URL("./fixtures/numbers_driver.ts", import.meta.url);
  // Here as well, so that `deno test` has checked its types before several threads need it.
  await import(driver.href);
  return await managed(scope, "numbers", {
    ...overrides,
    consumer: {
      bootstrapServers: "nowhere:1",
      driver,
      driverOptions: { ...numbers },
      ...consumer,
    },
  });
}

/** Produces "0", "1", … into one partition, from one number to before another. */
export async function produceNumbers(topic: string, from: number, to: number): Promise<void> {
  await produce(
    bootstrapServers,
    topic,
    numbers(from, to).map((value) => ({ partition: 0, value })),
  );
}

/** The numbers from one to before another, as text. */
export function numbers(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${from + index}`);
}

/** The messages' values as text. */
export function texts(messages: readonly Message[]): (string | null)[] {
  return messages.map((message) => message.text());
}

/** What a promise rejects with; fails if it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value) => assert.fail(`It resolved, with ${value}`),
    (error) => error,
  );
}

/** Whether a promise is settled by the time that one turn of the event loop is over. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setTimeout(resolve, 0, isPending));
  return await Promise.race([promise.catch(() => {}), turn]) === isPending;
}

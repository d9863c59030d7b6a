// Clients that we did not write, in one vocabulary: they produce, and consume in a group.
import { Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";
import { keepRunning } from "../../support/kafka/client.ts";
import { eagerClient } from "./support.ts";

/** A message as a client got it. */
export interface Got {
  partition: number;
  offset: number;
  value: string;
}

/** A consumer that commits each message it got. */
export interface TestConsumer {
  messages: Got[];
  /** Resolves when so many messages have come. */
  atLeast(count: number): Promise<Got[]>;
  close(): Promise<void>;
}

/** A client. */
export interface TestClient {
  name: string;
  producer(bootstrapServers: string): Promise<{
    send(topic: string, value: string, partition?: number): Promise<void>;
    close(): Promise<void>;
  }>;
  consumer(bootstrapServers: string, groupId: string, topic: string): Promise<TestConsumer>;
}

function collector() {
  const messages: Got[] = [];
  let waiting: { count: number; resolve(messages: Got[]): void }[] = [];
  return {
    messages,
    add(message: Got) {
      messages.push(message);
      waiting = waiting.filter(({ count, resolve }) => {
        if (messages.length < count) return true;
        resolve(messages);
        return false;
      });
    },
    atLeast: (count: number) =>
      new Promise<Got[]>((resolve) => {
        if (messages.length >= count) resolve(messages);
        else waiting.push({ count, resolve });
      }),
  };
}

const kafkajs: TestClient = {
  name: "kafkajs",
  async producer(bootstrapServers) {
    const producer = eagerClient(bootstrapServers).producer({ idempotent: true });
    await producer.connect();
    return {
      send: async (topic, value, partition = 0) =>
        void await producer.send({ topic, messages: [{ value, partition }] }),
      close: () => producer.disconnect(),
    };
  },
  async consumer(bootstrapServers, groupId, topic) {
    const consumer = eagerClient(bootstrapServers).consumer({
      groupId,
      sessionTimeout: 10_000,
      heartbeatInterval: 100,
      maxWaitTimeInMs: 100,
    });
    const { messages, add, atLeast } = collector();
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await keepRunning(consumer, {
      autoCommitThreshold: 1,
      eachMessage: ({ partition, message }) => {
        add({ partition, offset: Number(message.offset), value: `${message.value}` });
        return Promise.resolve();
      },
    });
    return { messages, atLeast, close: () => consumer.disconnect() };
  },
};

const platformatic: TestClient = {
  name: "@platformatic/kafka",
  producer(bootstrapServers) {
    const producer = new Producer({
      clientId: "platformatic",
      bootstrapBrokers: bootstrapServers.split(","),
      serializers: stringSerializers,
      idempotent: true,
      retries: 50,
      retryDelay: 20,
    });
    return Promise.resolve({
      send: async (topic: string, value: string, partition = 0) =>
        void await producer.send({ messages: [{ topic, value, partition }], acks: -1 }),
      close: () => producer.close(),
    });
  },
  async consumer(bootstrapServers, groupId, topic) {
    const consumer = new Consumer({
      clientId: "platformatic",
      bootstrapBrokers: bootstrapServers.split(","),
      groupId,
      deserializers: stringDeserializers,
      sessionTimeout: 10_000,
      heartbeatInterval: 100,
      retries: 50,
      retryDelay: 20,
    });
    const { messages, add, atLeast } = collector();
    const stream = await consumer.consume({
      topics: [topic],
      mode: "committed",
      fallbackMode: "earliest",
      autocommit: false,
      maxWaitTime: 100,
    });
    stream.on("error", () => {});
    stream.on("data", (message) => {
      add({
        partition: message.partition,
        offset: Number(message.offset),
        value: message.value ?? "",
      });
      void Promise.resolve(message.commit()).catch(() => {});
    });
    return {
      messages,
      atLeast,
      close: async () => {
        await stream.close();
        await consumer.close(true);
      },
    };
  },
};

/** The clients. */
export const CLIENTS: readonly TestClient[] = [kafkajs, platformatic];

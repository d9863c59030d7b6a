/**
 * What TypeScript makes of the options: these tests fail in `deno check`, not when they run.
 *
 * @module
 */
import * as v from "valibot";
import { describe, it } from "#std/testing/bdd";
import type {
  BatchHandlerOptions,
  MessageHandlerOptions,
  OrderedConsumerOptions,
  ParallelConsumerOptions,
} from "../../src/options/consumer_options.ts";

// With the signatures of createOrderedConsumer. Without the first two, the handler's parameters would
// have no types where handlerBatch is given as an object.
function create<Decoded = unknown, Data = Decoded>(
  options: OrderedConsumerOptions<Data, Decoded> & BatchHandlerOptions<Data>,
): void;
function create<Decoded = unknown, Data = Decoded>(
  options: OrderedConsumerOptions<Data, Decoded> & MessageHandlerOptions<Data>,
): void;
function create<Decoded = unknown, Data = Decoded>(
  options: OrderedConsumerOptions<Data, Decoded>,
): void;
function create(_options: unknown): void {}

type Equal<One, Other> = (<T>() => T extends One ? 1 : 2) extends (<T>() => T extends Other ? 1 : 2)
  ? true
  : false;

/** Compiles where both types are the same. */
function same<One, Other>(_: Equal<One, Other>): void {}

const kafka = { bootstrapServers: "localhost:9092", groupId: "shop.orders", topics: ["orders"] };
const schema = v.object({ id: v.number() });
interface Order {
  id: number;
}

describe("the type of data", () => {
  it("is what a schema gives", () => {
    create({ ...kafka, schema, handler: (_, data) => same<typeof data, Order>(true) });
    create({ ...kafka, handler: (_, data) => same<typeof data, Order>(true), schema });
    const transformed = v.pipe(v.string(), v.transform((text) => text.length));
    create({
      ...kafka,
      schema: transformed,
      handler: (_, data) => same<typeof data, number>(true),
    });
  });

  it("is what the schema gives where there is also decode", () => {
    create({
      ...kafka,
      schema,
      decode: (bytes): unknown => bytes,
      handler: (_, data) => same<typeof data, Order>(true),
    });
    create({
      ...kafka,
      schema,
      decode: async (bytes) => JSON.parse(await Promise.resolve(String(bytes))),
      handler: (_, data) => same<typeof data, Order>(true),
    });
  });

  it("is what decode returns, or resolves to", () => {
    create({
      ...kafka,
      decode: (bytes) => bytes.length,
      handler: (_, data) => same<typeof data, number>(true),
    });
    create({
      ...kafka,
      decode: (bytes) => Promise.resolve(bytes.length),
      handler: (_, data) => same<typeof data, number>(true),
    });
  });

  it("is unknown, or what the handler says, without either", () => {
    create({ ...kafka, handler: (_, data) => same<typeof data, unknown>(true) });
    create({ ...kafka, handler: (_, data: Order) => data.id });
  });

  it("is a list in a batch", () => {
    const handlerBatch = { size: 10, waitMs: 5 };
    create({
      ...kafka,
      schema,
      handlerBatch: { size: 10 },
      handler: (context, data, messages) => {
        same<typeof data, Order[]>(true);
        return messages.map((message) => [message.offset, context.attempt]);
      },
    });
    create({
      ...kafka,
      decode: (bytes) => bytes.length,
      handlerBatch,
      handler: (_, data) => same<typeof data, number[]>(true),
    });
    create({ ...kafka, handlerBatch, handler: (_, data) => same<typeof data, unknown[]>(true) });
    create({ ...kafka, handlerBatch, handler: (_, data: Order[]) => data.length });
  });

  it("does not matter to a module", () => {
    create({ ...kafka, handler: new URL("file:///handler.ts") });
    create({ ...kafka, handler: new URL("file:///handler.ts"), handlerBatch: { size: 1 } });
  });
});

describe("the compiler refuses", () => {
  it("a handler of other data", () => {
    // @ts-expect-error: the schema gives numbers.
    create({ ...kafka, schema, handler: (_, data: { id: string }) => data.id });
    // @ts-expect-error: decode returns a number.
    create({ ...kafka, decode: (bytes) => bytes.length, handler: (_, data: Order) => data.id });
  });

  it("a handler of one message for batches, and the reverse", () => {
    // @ts-expect-error: a batch is a list.
    create({ ...kafka, schema, handlerBatch: { size: 1 }, handler: (_, data: Order) => data.id });
    // @ts-expect-error: one message is none.
    create({ ...kafka, schema, handler: (_, data: Order[]) => data.length });
  });

  it("a path where a URL belongs, no handler, and unknown options", () => {
    // @ts-expect-error: a string.
    create({ ...kafka, handler: "./handler.ts" });
    // @ts-expect-error: no handler.
    create({ ...kafka });
    // @ts-expect-error: no such option.
    create({ ...kafka, handler: () => {}, concurrency: 5 });
  });

  it("what only the other consumer takes", () => {
    const ordered: OrderedConsumerOptions = { ...kafka, handler: () => {}, commit: "each" };
    // @ts-expect-error: "each" is for ordered consumers.
    const each: ParallelConsumerOptions = { ...kafka, handler: () => {}, commit: "each" };
    // @ts-expect-error: one at a time.
    const two: OrderedConsumerOptions = { ...kafka, handler: () => {}, maxConcurrency: 2 };
    const parallel: ParallelConsumerOptions = { ...kafka, handler: () => {}, maxConcurrency: 2 };
    return void [ordered, each, two, parallel];
  });
});

describe("options in a variable", () => {
  it("are taken as they are", () => {
    const options: OrderedConsumerOptions<Order> = {
      ...kafka,
      handler: (_, data) => same<typeof data, Order>(true),
    };
    create(options);
    const either = options as OrderedConsumerOptions<Order>;
    create(either);
  });
});

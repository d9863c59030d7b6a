/**
 * Schemas of the handler, and of what belongs to where it runs.
 *
 * @module
 */
import * as v from "valibot";
import type {
  BatchHandler,
  Decode,
  Handler,
  Middleware,
  RetryIf,
  StandardSchema,
} from "../handler.ts";
import { isStandardSchema } from "../threads/standard_schema.ts";
import type { ResolvedHandlerBatchOptions } from "./consumer_options.ts";
import { HOUR_MS, isFunction, MS } from "./shared_options.ts";
import {
  checked,
  integer,
  maybe,
  type OptionSchema,
  optionsObject,
  withDefault,
} from "./validate.ts";

const URL_OBJECT = 'new URL("./handler.ts", import.meta.url)';
const HANDLER = `a function, or the URL object of a module: ${URL_OBJECT}`;

const module: OptionSchema<URL> = checked((value) => value instanceof URL, HANDLER);
// Text is what people try first, and "a function" would send them the wrong way.
const text: OptionSchema<never> = checked(() => false, `a URL object: ${URL_OBJECT}`);
const call: OptionSchema<Handler | BatchHandler> = checked(isFunction, HANDLER);

/** The schema of `handler`. */
export const handler: OptionSchema<Handler | BatchHandler | URL> = v.lazy((value): OptionSchema<
  Handler | BatchHandler | URL
> => {
  if (typeof value === "string") return text;
  return isFunction(value) ? call : module;
});

/** The schema of `handlerBatch`. */
export const handlerBatch: OptionSchema<ResolvedHandlerBatchOptions | undefined> = maybe(
  optionsObject<ResolvedHandlerBatchOptions>({
    size: integer(1, 10_000, "messages"),
    waitMs: withDefault(integer(0, HOUR_MS, MS), () => 0),
  }, {
    expected: "an object { size, waitMs }",
    aliases: { max: "size", maxsize: "size", maxmessages: "size", timeout: "waitMs" },
  }),
);

/** The schema of `decode`. */
export const decode: OptionSchema<Decode | undefined> = maybe(
  checked(isFunction, "a function (bytes, message) => data"),
);

/** The schema of `schema`. */
export const schema: OptionSchema<StandardSchema | undefined> = maybe(checked(
  isStandardSchema,
  'a Standard Schema of version 1 ("~standard"), such as those of valibot, zod and arktype',
));

const MIDDLEWARE = "a function async (context, next) => …";

/** The schema of `middleware`; its output is a copy. */
export const middleware: OptionSchema<readonly Middleware[] | undefined> = maybe(
  v.array(checked<Middleware>(isFunction, MIDDLEWARE), `a list of functions, each ${MIDDLEWARE}`),
) as unknown as OptionSchema<readonly Middleware[] | undefined>;

/** The schema of `retryIf`. */
export const retryIf: OptionSchema<RetryIf | undefined> = maybe(
  checked(isFunction, "a function (error, message) => boolean"),
);

/** What others call these options. */
export const handlerAliases: Readonly<Record<string, string>> = {
  callback: "handler",
  eachmessage: "handler",
  onmessage: "handler",
  handlerfn: "handler",
  handlerfunction: "handler",
  messagehandler: "handler",
  process: "handler",
  processor: "handler",
  run: "handler",
  eachbatch: "handlerBatch",
  onbatch: "handlerBatch",
  batch: "handlerBatch",
  batchhandler: "handlerBatch",
  parse: "decode",
  parser: "decode",
  deserialize: "decode",
  deserializer: "decode",
  deserializers: "decode",
  valuedeserializer: "decode",
  messageunpackfn: "decode",
  validate: "schema",
  validator: "schema",
  middlewares: "middleware",
  use: "middleware",
  shouldretry: "retryIf",
};

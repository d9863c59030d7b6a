/** Loads a handler module and looks at what it exports. */

import { KafkaThreadsError, type OptionIssue, OptionsError } from "../errors.ts";
import type { Handlers } from "../executor/handlers.ts";
import type { HandlerModule } from "../handler.ts";
import { errorText } from "../threads/error_text.ts";
import { isStandardSchema } from "../threads/standard_schema.ts";

/** What a handler module gives. */
export interface LoadedModule {
  /** What an executor runs. */
  readonly handlers: Handlers;
  /** What is to be called first, if anything. */
  readonly setup: HandlerModule["setup"];
}

type Exports = Partial<Record<keyof HandlerModule, unknown>>;

/**
 * Loads a handler module.
 *
 * @param address Its address.
 * @throws {KafkaThreadsError} With code `HANDLER_LOAD_FAILED` if it cannot be loaded.
 * @throws {OptionsError} If its exports are not what they should be.
 */
export async function loadHandlers(address: string): Promise<LoadedModule> {
  let exports: Exports;
  try {
    exports = await import(address);
  } catch (cause) {
    throw new KafkaThreadsError(
      `Cannot load the handler module "${address}": ${errorText(cause)}`,
      { code: "HANDLER_LOAD_FAILED", cause },
    );
  }
  return handlersOf(exports, address);
}

/**
 * Holds a handler module's exports against what they should be.
 *
 * @param exports What the module exports.
 * @param address The module's address.
 * @throws {OptionsError} That lists all exports that are wrong.
 */
export function handlersOf(exports: Exports, address: string): LoadedModule {
  const issues: OptionIssue[] = [];
  const expect = (name: keyof HandlerModule, fits: boolean, expected: string) => {
    if (fits) return;
    const what = name === "default" ? "default export" : `export "${name}"`;
    const value = `the module "${address}" whose ${what} is ${kindOf(exports[name])}`;
    issues.push({ option: "handler", value, expected });
  };
  const { default: handler, decode, schema, middleware, retryIf, setup } = exports;
  expect("default", isFunction(handler), "a function (context, data, message) => …");
  const optional = (name: "decode" | "retryIf" | "setup", value: unknown, expected: string) =>
    expect(name, value === undefined || isFunction(value), expected);
  optional("decode", decode, "a function (bytes, message) => data");
  expect(
    "schema",
    schema === undefined || isStandardSchema(schema),
    'a Standard Schema of version 1 ("~standard")',
  );
  expect(
    "middleware",
    middleware === undefined || Array.isArray(middleware) && middleware.every(isFunction),
    "a list of functions, each async (context, next) => …",
  );
  optional("retryIf", retryIf, "a function (error, message) => boolean");
  optional("setup", setup, "a function (context) => teardown");
  if (issues.length > 0) throw new OptionsError(issues);
  return {
    handlers: {
      handler: handler as Handlers["handler"],
      decode: decode as Handlers["decode"],
      schema: schema as Handlers["schema"],
      middleware: [...(middleware as Handlers["middleware"] ?? [])],
      retryIf: retryIf as Handlers["retryIf"],
    },
    setup: setup as HandlerModule["setup"],
  };
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function kindOf(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return isFunction(value) ? "a function" : `of type ${typeof value}`;
}

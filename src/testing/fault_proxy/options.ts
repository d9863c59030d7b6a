import * as v from "valibot";
import { bootstrapServers, type BrokerAddress } from "../../options/kafka_names.ts";
import {
  checked,
  integer,
  maybe,
  nonBlankText,
  oneOf,
  type OptionSchema,
  type OptionSchemas,
  optionsObject,
  parseOptions,
  withDefault,
} from "../../options/validate.ts";
import type { FaultDirection } from "./fault.ts";

/** Where a proxy listens. */
export interface FaultProxyOptions {
  /** Name or address of this machine. Default: `127.0.0.1`. */
  hostname?: string;
  /** Port, up to 65,535; 0: one that is free. Default: 0. */
  port?: number;
}

/** Which way a fault goes. */
export interface FaultOptions {
  /** Only what goes to the broker, only what goes to the client, or both. Default: `both`. */
  direction?: FaultDirection;
}

/** Which bytes are changed. */
export interface CorruptOptions extends FaultOptions {
  /**
   * One byte of each so many has one of its bits changed; 1 to 2,147,483,647. Default: one byte of
   * each connection, in each direction.
   */
  every?: number;
  /**
   * How many bytes of each connection are left alone first, counted, for those that are open, from
   * now; 0 to 9,007,199,254,740,991. Default: 0.
   */
  after?: number;
  /** What the choice of bytes and bits depends on; 0 to 2,147,483,647. Default: 1. */
  seed?: number;
}

/** Which connections are cut. */
export interface CutAfterOptions extends FaultOptions {
  /** How many connections are cut; 1 to 2,147,483,647. Default: every one. */
  times?: number;
}

const MAX_INTEGER = 2_147_483_647;

const direction = withDefault(oneOf(["toBroker", "toClient", "both"]), () => "both");

const address: OptionSchema<BrokerAddress> = v.pipe(
  checked<unknown>((value) => typeof value === "string", `an address "host:port", or a function`),
  bootstrapServers,
  v.check((servers) => servers.length === 1, "one address, not a list"),
  v.transform((servers) => servers[0]!),
) as unknown as OptionSchema<BrokerAddress>;

/**
 * Checks an address.
 *
 * @param target What the user gave, or its function.
 * @returns Host and port.
 * @throws {OptionsError} If it is none.
 */
export function targetAddress(target: unknown): BrokerAddress {
  return parse({ target: address }, { target }).target;
}

/** Checks where to listen. */
export function proxyOptions(options: unknown): Required<FaultProxyOptions> {
  return parseOptions(
    optionsObject<Required<FaultProxyOptions>>({
      hostname: withDefault(nonBlankText(255), () => "127.0.0.1"),
      port: withDefault(integer(0, 65_535, "port"), () => 0),
    }, { aliases: { host: "hostname" } }),
    options,
  );
}

/** Checks which way a fault goes. */
export function faultOptions(options: FaultOptions): Required<FaultOptions> {
  return parse({ direction }, options);
}

/** Checks a delay. */
export function delayOptions(ms: number, options: FaultOptions) {
  return parse<{ ms: number; direction: FaultDirection }>(
    { ms: integer(0, MAX_INTEGER, "milliseconds"), direction },
    { ...options, ms },
  );
}

/** Checks a throttle. */
export function throttleOptions(bytesPerSecond: number, options: FaultOptions) {
  return parse<{ bytesPerSecond: number; direction: FaultDirection }>(
    { bytesPerSecond: integer(1, Number.MAX_SAFE_INTEGER, "bytes per second"), direction },
    { ...options, bytesPerSecond },
  );
}

/** Checks which bytes are changed. */
export function corruptOptions(options: CorruptOptions) {
  return parse<
    { every: number | undefined; after: number; seed: number; direction: FaultDirection }
  >({
    every: maybe(integer(1, MAX_INTEGER, "bytes")),
    after: withDefault(integer(0, Number.MAX_SAFE_INTEGER, "bytes"), () => 0),
    seed: withDefault(integer(0, MAX_INTEGER, "any"), () => 1),
    direction,
  }, options);
}

/** Checks after how many bytes which connections are cut. */
export function cutAfterOptions(bytes: number, options: CutAfterOptions) {
  return parse<{ bytes: number; times: number | undefined; direction: FaultDirection }>({
    bytes: integer(0, Number.MAX_SAFE_INTEGER, "bytes"),
    times: maybe(integer(1, MAX_INTEGER, "connections")),
    direction,
  }, { ...options, bytes });
}

function parse<Value extends object>(schemas: OptionSchemas<Value>, given: unknown): Value {
  return parseOptions(optionsObject<Value>(schemas), given);
}

/** Options of `serve`. */

import type { Logger } from "../logger.ts";
import { yesOrNo } from "../options/kafka_options.ts";
import { isFunction, logger, signal } from "../options/shared_options.ts";
import {
  checked,
  integer,
  maybe,
  nonBlankText,
  type OptionSchema,
  optionsObject,
  parseOptions,
  withDefault,
} from "../options/validate.ts";
import {
  type HealthRoutesOptions,
  healthRoutesSchemas,
  type ResolvedHealthRoutesOptions,
} from "./routes_options.ts";

/** Where the server listens. */
export interface ServerAddress {
  /** The name or address that it was given. */
  readonly hostname: string;
  /** Its port; the one it has got, where 0 was asked for. */
  readonly port: number;
  /** Where it can be reached from this machine: `http://localhost:9090/`. */
  readonly url: string;
}

/** What `serve` can be told, beside what `healthRoutes` can. */
export interface ServeOptions extends HealthRoutesOptions {
  /** Port to listen on; 0: any free one. Default: 9090. */
  port?: number;
  /**
   * Name or address of this machine to listen on. Default: `localhost`, which only this machine reaches;
   * in a container, where probes come from outside, it is `0.0.0.0`, or `::` for IPv6 as well.
   */
  hostname?: string;
  /** Called once the server listens, before any consumer starts; what it throws ends everything. */
  onListen?: (address: ServerAddress) => unknown;
  /** Told what starts, what ends, and why. Default: `console`. */
  logger?: Logger;
  /** Its abort stops everything, as SIGTERM does. */
  signal?: AbortSignal;
  /** Whether SIGTERM and SIGINT stop everything, and a second one ends the program. Default: true. */
  handleSignals?: boolean;
  /**
   * Whether the program exits with the exit code in the end, whatever else is still going on in it. Default:
   * true; with false, the code is only returned.
   */
  exit?: boolean;
}

/** {@linkcode ServeOptions} after validation. */
export interface ResolvedServeOptions {
  /** What `healthRoutes` is told. */
  readonly routes: HealthRoutesOptions;
  /** Port to listen on; 0: any free one. */
  readonly port: number;
  /** Name or address to listen on. */
  readonly hostname: string;
  /** Called once the server listens. */
  readonly onListen: ((address: ServerAddress) => unknown) | undefined;
  /** Told what starts, what ends, and why. */
  readonly logger: Logger;
  /** Its abort stops everything. */
  readonly signal: AbortSignal | undefined;
  /** Whether SIGTERM and SIGINT stop everything. */
  readonly handleSignals: boolean;
  /** Whether the program exits in the end. */
  readonly exit: boolean;
}

/** Those of the routes, beside the others. */
type FlatServeOptions = Omit<ResolvedServeOptions, "routes"> & ResolvedHealthRoutesOptions;

const schema: OptionSchema<FlatServeOptions> = optionsObject<FlatServeOptions>({
  port: withDefault(integer(0, 65_535, "port; 0: any free one"), () => 9090),
  hostname: withDefault(nonBlankText(255), () => "localhost"),
  onListen: maybe(checked(isFunction, "a function ({ hostname, port, url }) => {}")),
  logger,
  signal,
  handleSignals: withDefault(yesOrNo, () => true),
  exit: withDefault(yesOrNo, () => true),
  ...healthRoutesSchemas,
}, { aliases: { host: "hostname", address: "hostname", onlistening: "onListen" } });

/**
 * Checks the options of `serve` and fills in the defaults.
 *
 * @param input What the user gave.
 * @returns The options, complete.
 * @throws {OptionsError} If any option is wrong; it lists all that are.
 */
export function parseServeOptions(input: unknown): ResolvedServeOptions {
  const { metrics, registry, exposeErrors, ...options } = parseOptions(schema, input);
  const routes = { metrics, exposeErrors, ...(registry === undefined ? {} : { registry }) };
  return { ...options, routes };
}

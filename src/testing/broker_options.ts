import * as v from "valibot";
import { LOG_LEVELS, type Logger, type LogLevel } from "../logger.ts";
import { pem, pemList, yesOrNo } from "../options/kafka_options.ts";
import {
  checked,
  integer,
  isObject,
  maybe,
  nonBlankText,
  oneOf,
  type OptionSchema,
  optionsObject,
  parseOptions,
  withDefault,
} from "../options/validate.ts";

/** A topic that a `KafkaBroker` starts with. */
export interface BrokerTopicOptions {
  /** How many partitions; 1 to 100,000. Default: the broker's `defaultPartitions`. */
  partitions?: number;
  /** On how many nodes each partition is; 1 to `nodes`. Default: all of them. */
  replicationFactor?: number;
  /** Settings, such as `{ "cleanup.policy": "compact" }`. Default: none. */
  config?: Record<string, string>;
}

/** TLS of a listener; certificates and keys are PEM text, not file names. */
export interface BrokerTlsOptions {
  /** The broker's certificate. */
  cert: string;
  /** Its private key; it is never printed. */
  key: string;
  /** Whom to trust for clients' certificates. Default: nobody. */
  ca?: string | string[];
  /** Whether clients must have a certificate that `ca` vouches for. Default: `false`. */
  requireClientCert?: boolean;
}

/** How a mechanism of SASL is called in options. */
export type BrokerSaslMechanism = "plain" | "scram-sha-256" | "scram-sha-512";

/** Authentication on a listener. */
export interface BrokerSaslOptions {
  /** Passwords by user name; they are never printed. */
  users: Record<string, string>;
  /** Which mechanisms may be used. Default: all three. */
  mechanisms?: BrokerSaslMechanism[];
}

/** Where clients connect. */
export interface BrokerListenerOptions {
  /**
   * The first node's port; further nodes take the ports behind it. 0 to 65,535; 0: any free ones.
   * Default: 0.
   */
  port?: number;
  /**
   * The address that clients are told instead of the real one, `host:port`, or a function of the
   * node's number that gives it: for a proxy in between. Default: the real one.
   */
  advertised?: string | ((nodeId: number) => string);
  /** Turns TLS on. Default: off. */
  tls?: BrokerTlsOptions;
  /** Asks clients who they are. Default: it does not. */
  sasl?: BrokerSaslOptions;
}

/** Options of a `KafkaBroker`. */
export interface KafkaBrokerOptions extends BrokerListenerOptions {
  /** Topics that are there from the start: how many partitions, or more about them. Default: none. */
  topics?: Record<string, number | BrokerTopicOptions>;
  /** How many logical brokers, each on a port of its own, numbered from 1; 1 to 100. Default: 1. */
  nodes?: number;
  /** The address to listen on. Default: `127.0.0.1`. */
  hostname?: string;
  /** Listeners beside the one that the options above describe, by name. Default: none. */
  listeners?: Record<string, BrokerListenerOptions>;
  /** Whether a topic that a client asks for, or produces to, is made. Default: `true`, as in Kafka. */
  autoCreateTopics?: boolean;
  /** Partitions of a topic for which nobody gives a number; 1 to 100,000. Default: 1. */
  defaultPartitions?: number;
  /** Least session timeout that a member may have, in milliseconds. Default: 6,000, as in Kafka. */
  minSessionTimeoutMs?: number;
  /** Greatest session timeout that a member may have, in milliseconds. Default: 1,800,000. */
  maxSessionTimeoutMs?: number;
  /**
   * How long an empty group waits for more members before its first generation, in milliseconds; 0 to
   * 300,000. Default: 0, where Kafka has 3,000.
   */
  initialRebalanceDelayMs?: number;
  /** Most bytes of a request; 1,024 to 1,073,741,824. Default: 104,857,600, as in Kafka. */
  maxRequestBytes?: number;
  /** Where logs go. Default: `console`. */
  logger?: Logger;
  /** Lowest level that is logged. Default: `info`. */
  logLevel?: LogLevel;
}

/** {@link BrokerListenerOptions} after validation. */
export interface ResolvedListenerOptions {
  readonly port: number;
  readonly advertised: ((nodeId: number) => string) | undefined;
  readonly tls: ResolvedBrokerTlsOptions | undefined;
  readonly sasl: ResolvedBrokerSaslOptions | undefined;
}

/** {@link BrokerTlsOptions} after validation. */
export interface ResolvedBrokerTlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly ca: readonly string[] | undefined;
  readonly requireClientCert: boolean;
}

/** {@link BrokerSaslOptions} after validation. */
export interface ResolvedBrokerSaslOptions {
  readonly users: Readonly<Record<string, string>>;
  readonly mechanisms: readonly BrokerSaslMechanism[];
}

/** {@link KafkaBrokerOptions} after validation, with all defaults filled in. */
export interface ResolvedKafkaBrokerOptions extends ResolvedListenerOptions {
  readonly topics: Readonly<Record<string, BrokerTopicOptions>>;
  readonly nodes: number;
  readonly hostname: string;
  readonly listeners: Readonly<Record<string, ResolvedListenerOptions>>;
  readonly autoCreateTopics: boolean;
  readonly defaultPartitions: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly initialRebalanceDelayMs: number;
  readonly maxRequestBytes: number;
  readonly logger: Logger;
  readonly logLevel: LogLevel;
}

const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const MAX_PARTITIONS = 100_000;
const MAX_TIMER_MS = 2_147_483_647;

const partitions = integer(1, MAX_PARTITIONS, "partitions");

/** A schema of an object whose names are free. */
function record<Value>(item: OptionSchema<Value>, expected: string) {
  return v.pipe(
    checked<Record<string, unknown>>(isObject, expected),
    v.record(v.string(), item),
  ) as unknown as OptionSchema<Readonly<Record<string, Value>>>;
}

const topicObject = optionsObject<BrokerTopicOptions>({
  partitions: maybe(partitions) as OptionSchema<number>,
  replicationFactor: maybe(integer(1, 100, "nodes")) as OptionSchema<number>,
  config: maybe(record(
    checked<string>((value) => typeof value === "string", "text"),
    "an object of settings",
  )) as OptionSchema<Record<string, string>>,
}, { expected: "a number of partitions, or an object { partitions, replicationFactor, config }" });

const topic: OptionSchema<BrokerTopicOptions> = v.lazy((value) =>
  typeof value === "number"
    ? v.pipe(partitions, v.transform((partitions): BrokerTopicOptions => ({ partitions })))
    : topicObject
);

const tls = optionsObject<ResolvedBrokerTlsOptions>({
  cert: pem,
  key: pem,
  ca: maybe(pemList),
  requireClientCert: withDefault(yesOrNo, () => false),
}, {
  expected: "an object { cert, key, ca, requireClientCert }",
  rules: [{
    reads: ["ca", "requireClientCert"],
    holds: ({ ca, requireClientCert }) => !requireClientCert || ca !== undefined,
    blame: ["ca"],
    expected: () => "the authority that clients' certificates are signed by",
  }],
});

const sasl = optionsObject<ResolvedBrokerSaslOptions>({
  users: record(
    checked<string>((value) => typeof value === "string" && value !== "", "text, not empty"),
    "an object of passwords by user name",
  ),
  mechanisms: withDefault(
    v.pipe(
      v.array(oneOf(MECHANISMS), "a list of mechanisms"),
      v.nonEmpty("a list of one or more mechanisms"),
    ) as unknown as OptionSchema<readonly BrokerSaslMechanism[]>,
    () => [...MECHANISMS],
  ),
}, { expected: "an object { users, mechanisms }" });

const ADDRESS = /^(?:[^\s:[\]]+|\[[0-9a-fA-F:.]+\]):\d{1,5}$/;

const advertised: OptionSchema<((nodeId: number) => string) | undefined> = v.pipe(
  v.optional(checked<string | ((nodeId: number) => string)>(
    (value) => typeof value === "function" || (typeof value === "string" && ADDRESS.test(value)),
    'an address "host:port", or a function of the node\'s number that gives one',
  )),
  v.transform((value) => typeof value === "string" ? () => value : value),
);

const listenerSchemas = {
  port: withDefault(integer(0, 65_535, "port"), () => 0),
  advertised,
  tls: maybe(tls),
  sasl: maybe(sasl),
};

const options = optionsObject<ResolvedKafkaBrokerOptions>({
  ...listenerSchemas,
  topics: withDefault(record(topic, "an object of topics by name"), () => ({})),
  nodes: withDefault(integer(1, 100, "nodes"), () => 1),
  hostname: withDefault(nonBlankText(255), () => "127.0.0.1"),
  listeners: withDefault(
    record(
      optionsObject<ResolvedListenerOptions>(listenerSchemas, {
        expected: "an object { port, advertised, tls, sasl }",
      }),
      "an object of listeners by name",
    ),
    () => ({}),
  ),
  autoCreateTopics: withDefault(yesOrNo, () => true),
  defaultPartitions: withDefault(partitions, () => 1),
  minSessionTimeoutMs: withDefault(integer(1, MAX_TIMER_MS, "milliseconds"), () => 6_000),
  maxSessionTimeoutMs: withDefault(integer(1, MAX_TIMER_MS, "milliseconds"), () => 1_800_000),
  initialRebalanceDelayMs: withDefault(integer(0, 300_000, "milliseconds"), () => 0),
  maxRequestBytes: withDefault(integer(1_024, 2 ** 30, "bytes"), () => 104_857_600),
  logger: withDefault(
    checked<Logger>(
      (value) =>
        isObject(value) &&
        ["debug", "info", "warn", "error"].every((name) => typeof value[name] === "function"),
      "an object with the methods debug, info, warn and error",
    ),
    () => console,
  ),
  logLevel: withDefault(oneOf(LOG_LEVELS), () => "info"),
}, {
  expected: "an object of broker options",
  rules: [
    {
      reads: ["minSessionTimeoutMs", "maxSessionTimeoutMs"],
      holds: (of) => of.minSessionTimeoutMs <= of.maxSessionTimeoutMs,
      blame: ["minSessionTimeoutMs"],
      expected: (of) => `at most maxSessionTimeoutMs, which is ${of.maxSessionTimeoutMs}`,
    },
    {
      reads: ["port", "nodes"],
      holds: ({ port, nodes }) => port === 0 || port + nodes - 1 <= 65_535,
      blame: ["port"],
      expected: ({ nodes }) => `0, or a port with ${nodes - 1} more behind it up to 65535`,
    },
  ],
  aliases: {
    brokers: "nodes",
    host: "hostname",
    ssl: "tls",
    allowautotopiccreation: "autoCreateTopics",
    numpartitions: "defaultPartitions",
  },
});

/**
 * Checks the options of a broker.
 *
 * @param given What the user gave.
 * @returns The options with all defaults.
 * @throws {OptionsError} If any is wrong, with all that are.
 */
export function brokerOptions(given: unknown): ResolvedKafkaBrokerOptions {
  return parseOptions(options, given);
}

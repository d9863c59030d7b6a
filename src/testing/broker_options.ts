import { createPrivateKey, X509Certificate } from "node:crypto";
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
  /**
   * Whom to trust for clients' certificates: those signed by others are turned away. Default: clients
   * are not asked for any.
   */
  ca?: string | string[];
  /** Whether clients must have a certificate; otherwise they may. Default: `false`. */
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
   * node's number that gives it, which several nodes need: for a proxy in between. Default: the real
   * one.
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
  /** Name or address of this machine to listen on. Default: `127.0.0.1`. */
  hostname?: string;
  /** Listeners beside the one that the options above describe, by name; not "main". Default: none. */
  listeners?: Record<string, BrokerListenerOptions>;
  /** Whether a topic that a client asks for is made, if it wants that. Default: `true`, as in Kafka. */
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

/** What clients are told, or a function of the node's number that gives it. */
type Advertised = string | ((nodeId: number) => string);

/** {@link BrokerListenerOptions} after validation. */
export interface ResolvedListenerOptions {
  readonly port: number;
  readonly advertised: Advertised | undefined;
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

/** The name of the listener that the broker's own options describe. */
export const MAIN_LISTENER = "main";

const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const MAX_PARTITIONS = 100_000;
const MAX_PORT = 65_535;
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

// Deno notices only when a client comes that certificate or key are of no use.
const certificate: OptionSchema<string> = v.pipe(
  pem,
  v.check((text) => works(() => new X509Certificate(text)), "PEM text of a certificate"),
);
const privateKey: OptionSchema<string> = v.pipe(
  pem,
  v.check(
    (text) => works(() => createPrivateKey(text)),
    "PEM text of a private key that is not encrypted",
  ),
);

function works(make: () => unknown): boolean {
  try {
    make();
    return true;
  } catch {
    return false;
  }
}

const tls = optionsObject<ResolvedBrokerTlsOptions>({
  cert: certificate,
  key: privateKey,
  ca: maybe(pemList),
  requireClientCert: withDefault(yesOrNo, () => false),
}, {
  expected: "an object { cert, key, ca, requireClientCert }",
  rules: [{
    reads: ["cert", "key"],
    holds: ({ cert, key }) => new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)),
    blame: ["key"],
    expected: () => "the private key that belongs to cert",
  }, {
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

const ADDRESS = /^(?:[^\s:[\]]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/;
/** What is allowed as an address that clients are told. */
export const ADVERTISED =
  'an address "host:port", or a function of the node\'s number that gives one';

/**
 * Tells whether something is `host:port`.
 *
 * @param value Anything.
 * @returns Whether it is.
 */
export function isAddress(value: unknown): value is string {
  const port = typeof value === "string" ? Number(ADDRESS.exec(value)?.[1]) : NaN;
  return port >= 1 && port <= 65_535;
}

const advertised: OptionSchema<Advertised | undefined> = maybe(checked<Advertised>(
  (value) => typeof value === "function" || isAddress(value),
  ADVERTISED,
));

const listenerSchemas = {
  port: withDefault(integer(0, MAX_PORT, "port"), () => 0),
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
      holds: ({ port, nodes }) => port + nodes - 1 <= MAX_PORT,
      blame: ["port"],
      expected: ({ nodes }) => `0, or a port with ${nodes - 1} more behind it up to ${MAX_PORT}`,
    },
    {
      reads: ["advertised", "nodes"],
      holds: isOfOneNode,
      blame: ["advertised"],
      expected: ({ nodes }) => `a function of the node's number: there are ${nodes} nodes`,
    },
    {
      reads: ["listeners"],
      holds: ({ listeners }) => !Object.hasOwn(listeners, MAIN_LISTENER),
      blame: ["listeners", MAIN_LISTENER],
      expected: () => "another name: this one is that of the listener that the other options make",
    },
    {
      reads: ["listeners", "nodes"],
      holds: ({ listeners, nodes }) =>
        Object.values(listeners).every(({ advertised }) => isOfOneNode({ advertised, nodes })),
      blame: ["listeners"],
      expected: ({ nodes }) =>
        `listeners that advertise a function of the node's number: there are ${nodes} nodes`,
    },
    {
      reads: ["port", "listeners", "nodes"],
      holds: ({ port, listeners, nodes }) =>
        portsFit([port, ...Object.values(listeners).map((listener) => listener.port)], nodes),
      blame: ["listeners"],
      expected: ({ nodes }) =>
        `listeners whose ports, ${nodes} from the given one on, differ and go up to ${MAX_PORT}`,
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

function isOfOneNode(
  { advertised, nodes }: Pick<ResolvedKafkaBrokerOptions, "advertised" | "nodes">,
): boolean {
  return typeof advertised !== "string" || nodes === 1;
}

/** Whether no port is taken twice, where each listener takes one for each node; 0 is any. */
function portsFit(ports: readonly number[], nodes: number): boolean {
  const sorted = ports.filter((port) => port > 0).sort((a, b) => a - b);
  return sorted.every((port, index) => port + nodes <= (sorted[index + 1] ?? MAX_PORT + 1));
}

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

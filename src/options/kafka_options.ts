/**
 * Options of the connection to Kafka, which everything that consumes shares.
 *
 * @module
 */
import * as v from "valibot";
import {
  checked,
  integer,
  isObject,
  maybe,
  nonBlankText,
  oneOf,
  type OptionSchema,
  type OptionSchemas,
  optionsObject,
  type Rule,
  withDefault,
} from "./validate.ts";
import { bootstrapServers, topics } from "./kafka_names.ts";
import { HOUR_MS, isFunction } from "./shared_options.ts";
import type { BrokerAddress } from "./kafka_names.ts";

export type { BrokerAddress } from "./kafka_names.ts";

/** TLS settings; certificates and keys are PEM text, not file names. */
export interface SslOptions {
  /** Certificate authorities to trust. Default: those that the runtime trusts. */
  ca?: string | string[];
  /** The client's certificate; needs `key`. */
  cert?: string;
  /** The client's private key; needs `cert`. It is never printed. */
  key?: string;
  /** Name that the broker's certificate must carry. Default: the broker's host name. */
  servername?: string;
  /** Whether a certificate that cannot be verified ends the connection. Default: `true`. */
  rejectUnauthorized?: boolean;
}

/** A user name and a password, which is never printed. */
export interface SaslPasswordOptions {
  /** How they are proved; `plain` sends the password as it is, so use it with `ssl` only. */
  mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  /** Name of the user. */
  username: string;
  /** Password of the user. */
  password: string;
}

/** A bearer token of an identity provider. */
export interface SaslTokenOptions {
  /** Says that a token is sent. */
  mechanism: "oauthbearer";
  /**
   * Gets a token that is valid now. It is called on the program's thread, for every connection, so
   * it should keep a token for as long as that is valid.
   */
  token: () => Promise<string>;
}

/** How the client proves who it is. */
export type SaslOptions = SaslPasswordOptions | SaslTokenOptions;

/** Where the code of threads comes from, for bundlers and compilers that move files. */
export interface WorkerOptions {
  /** Module of the poller thread, or what makes it. Default: `workers/poller` of this package. */
  poller?: URL | (() => Worker);
  /** Module of the handler threads, or what makes one. Default: `workers/handler` of this package. */
  handler?: URL | (() => Worker);
}

/** Options of the connection to Kafka. */
export interface KafkaOptions {
  /**
   * Brokers to ask for the others: `"a:9092,b:9092"` or a list. Each is `host:port`, with an IPv6
   * address in brackets: `[::1]:9092`.
   */
  bootstrapServers: string | string[];
  /** The consumer group. Its members share the topics' partitions. */
  groupId: string;
  /** Topics to consume; at least one, each once. */
  topics: string[];
  /** Where a group without commits begins. Default: `latest`. */
  startFrom?: "latest" | "earliest";
  /** Name that brokers log. Default: `kafka-threads`. */
  clientId?: string;
  /** Whether, and how, to use TLS. Default: `false`. */
  ssl?: boolean | SslOptions;
  /** Credentials. Default: none. */
  sasl?: SaslOptions;
  /**
   * The Kafka client. A URL is that of a module whose default export makes a `ConsumerDriver`.
   * Default: `kafkajs`.
   */
  driver?: "kafkajs" | "platformatic" | URL;
  /** Passed to the client as it is; must be structured-cloneable. Default: `{}`. */
  driverOptions?: Record<string, unknown>;
  /**
   * After how many milliseconds without a heartbeat the broker gives the partitions to others; 100 to
   * 3,600,000. Brokers have limits of their own, usually 6,000 to 1,800,000. Default: 10,000.
   */
  sessionTimeoutMs?: number;
  /**
   * Milliseconds between heartbeats; 10 to 3,600,000 and less than `sessionTimeoutMs`.
   * Default: 3,000.
   */
  heartbeatIntervalMs?: number;
  /** Where the code of threads comes from. Default: this package. */
  workers?: WorkerOptions;
  /**
   * Where polling runs: in a thread of its own, or `inline` on the caller's, for hosts without Worker
   * and for debugging. Default: `worker`.
   */
  thread?: "worker" | "inline";
  /**
   * Module that registers an OpenTelemetry SDK: it is loaded first in the poller thread and in every
   * handler thread, and what it exports as `shutdown` is awaited, for at most 5,000 milliseconds, before
   * such a thread ends. On its own thread the program registers one itself. Default: none.
   */
  instrumentation?: URL;
}

/** {@link SslOptions} after validation. */
export interface ResolvedSslOptions {
  /** Certificate authorities to trust; `undefined`: those that the runtime trusts. */
  readonly ca: readonly string[] | undefined;
  /** The client's certificate, if any. */
  readonly cert: string | undefined;
  /** The client's private key, if any. */
  readonly key: string | undefined;
  /** Name that the broker's certificate must carry; `undefined`: the broker's host name. */
  readonly servername: string | undefined;
  /** Whether a certificate that cannot be verified ends the connection. */
  readonly rejectUnauthorized: boolean;
}

/** {@link WorkerOptions} after validation. */
export interface ResolvedWorkerOptions {
  /** Module of the poller thread, or what makes it, if given. */
  readonly poller: URL | (() => Worker) | undefined;
  /** Module of the handler threads, or what makes one, if given. */
  readonly handler: URL | (() => Worker) | undefined;
}

/** {@link KafkaOptions} after validation, with all defaults filled in. */
export interface ResolvedKafkaOptions {
  /** Brokers to ask for the others. */
  readonly bootstrapServers: readonly BrokerAddress[];
  /** The consumer group. */
  readonly groupId: string;
  /** Topics to consume. */
  readonly topics: readonly string[];
  /** Where a group without commits begins. */
  readonly startFrom: "latest" | "earliest";
  /** Name that brokers log. */
  readonly clientId: string;
  /** Whether, and how, to use TLS. */
  readonly ssl: boolean | ResolvedSslOptions;
  /** Credentials, if any. */
  readonly sasl: Readonly<SaslOptions> | undefined;
  /** The Kafka client. */
  readonly driver: "kafkajs" | "platformatic" | URL;
  /** A copy of what is passed to the client. */
  readonly driverOptions: Readonly<Record<string, unknown>>;
  /** Milliseconds without a heartbeat that end the membership. */
  readonly sessionTimeoutMs: number;
  /** Milliseconds between heartbeats. */
  readonly heartbeatIntervalMs: number;
  /** Where the code of threads comes from. */
  readonly workers: ResolvedWorkerOptions;
  /** Where polling runs. */
  readonly thread: "worker" | "inline";
  /** Module that is loaded first in threads, if given. */
  readonly instrumentation: URL | undefined;
}

/** The schema of a certificate or key. */
export const pem: OptionSchema<string> = checked(
  (value) => typeof value === "string" && value.includes("-----BEGIN "),
  "PEM text (-----BEGIN …), not the name of a file",
);

/** The schema of one or more certificates. */
export const pemList: OptionSchema<readonly string[]> = v.lazy((value) =>
  Array.isArray(value)
    ? v.pipe(v.array(pem), v.nonEmpty("PEM text, or a list of one or more"))
    : v.pipe(pem, v.transform((text) => [text]))
);

const text: OptionSchema<string> = nonBlankText(32_767);
/** The schema of a switch. */
export const yesOrNo: OptionSchema<boolean> = checked(
  (value) => typeof value === "boolean",
  "true or false",
);

const sslObject: OptionSchema<ResolvedSslOptions> = optionsObject<ResolvedSslOptions>({
  ca: maybe(pemList),
  cert: maybe(pem),
  key: maybe(pem),
  servername: maybe(text),
  rejectUnauthorized: withDefault(yesOrNo, () => true),
}, {
  expected: "true, false or an object { ca, cert, key, servername, rejectUnauthorized }",
  rules: [
    {
      reads: ["cert", "key"],
      holds: ({ cert, key }) => cert === undefined || key !== undefined,
      blame: ["key"],
      expected: () => "the private key that belongs to cert",
    },
    {
      reads: ["cert", "key"],
      holds: ({ cert, key }) => key === undefined || cert !== undefined,
      blame: ["cert"],
      expected: () => "the certificate that belongs to key",
    },
  ],
});

const ssl: OptionSchema<boolean | ResolvedSslOptions> = v.lazy((value) =>
  typeof value === "boolean" ? v.boolean() as unknown as typeof sslObject : sslObject
);

const MECHANISMS = ["plain", "scram-sha-256", "scram-sha-512", "oauthbearer"] as const;

const saslPassword: OptionSchema<SaslPasswordOptions> = optionsObject<SaslPasswordOptions>({
  mechanism: oneOf(["plain", "scram-sha-256", "scram-sha-512"]),
  username: text,
  // A password may be blank, in theory; nobody means an empty one.
  password: checked((value) => typeof value === "string" && value !== "", "text, not empty"),
}, { aliases: { user: "username" } });

const saslToken: OptionSchema<SaslTokenOptions> = optionsObject<SaslTokenOptions>({
  mechanism: oneOf(["oauthbearer"]),
  token: checked(isFunction, "a function that gets a token"),
}, { aliases: { oauthbearerprovider: "token" } });

// What else belongs there depends on the mechanism, so without one nothing more is said.
const saslUnknown: OptionSchema<never> = v.pipe(
  checked<Record<string, unknown>>(
    isObject,
    "an object { mechanism, username, password } or { mechanism, token }",
  ),
  v.object({ mechanism: v.optional(oneOf(MECHANISMS), "") }),
) as unknown as OptionSchema<never>;

const sasl: OptionSchema<SaslOptions> = v.lazy((value): OptionSchema<SaslOptions> => {
  const mechanism = isObject(value) ? value.mechanism : undefined;
  if (mechanism === "oauthbearer") return saslToken;
  return MECHANISMS.some((known) => known === mechanism) ? saslPassword : saslUnknown;
});

const driver: OptionSchema<"kafkajs" | "platformatic" | URL> = checked(
  (value) => value === "kafkajs" || value === "platformatic" || value instanceof URL,
  '"kafkajs" or "platformatic" or a URL object (new URL("./driver.ts", import.meta.url))',
);

// Copied here, where a function inside can still be reported by name, and not in postMessage.
const driverOptions: OptionSchema<Record<string, unknown>> = v.pipe(
  checked<Record<string, unknown>>(
    (value) => isObject(value) && canClone(value),
    "an object that can be cloned to a thread (no functions in it)",
  ),
  v.transform((value) => structuredClone(value)),
);

const worker: OptionSchema<(URL | (() => Worker)) | undefined> = maybe(checked(
  (value) => value instanceof URL || isFunction(value),
  "a URL object or a function that makes a Worker",
));

const workers: OptionSchema<ResolvedWorkerOptions> = optionsObject<ResolvedWorkerOptions>({
  poller: worker,
  handler: worker,
});

/** The schema of each option of the connection, for whatever takes further options beside them. */
export const kafkaSchemas: OptionSchemas<ResolvedKafkaOptions> = {
  bootstrapServers,
  groupId: text,
  topics,
  startFrom: withDefault(oneOf(["latest", "earliest"]), () => "latest"),
  clientId: withDefault(text, () => "kafka-threads"),
  ssl: withDefault(ssl, () => false),
  sasl: maybe(sasl),
  driver: withDefault(driver, () => "kafkajs"),
  driverOptions: withDefault(driverOptions, () => ({})),
  sessionTimeoutMs: withDefault(integer(100, HOUR_MS, "milliseconds"), () => 10_000),
  heartbeatIntervalMs: withDefault(integer(10, HOUR_MS, "milliseconds"), () => 3_000),
  workers: withDefault(workers, () => ({})),
  thread: withDefault(oneOf(["worker", "inline"]), () => "worker"),
  instrumentation: maybe(checked<URL>(
    (value) => value instanceof URL,
    'a URL object (new URL("./instrumentation.ts", import.meta.url))',
  )),
};

/** The rules across options of the connection. */
export const kafkaRules: readonly Rule<ResolvedKafkaOptions>[] = [{
  reads: ["heartbeatIntervalMs", "sessionTimeoutMs"],
  holds: ({ heartbeatIntervalMs, sessionTimeoutMs }) => heartbeatIntervalMs < sessionTimeoutMs,
  blame: ["heartbeatIntervalMs"],
  expected: ({ sessionTimeoutMs }) => `less than sessionTimeoutMs, which is ${sessionTimeoutMs}`,
}];

/** What users of other Kafka clients call these options. */
export const kafkaAliases: Readonly<Record<string, string>> = {
  brokers: "bootstrapServers",
  servers: "bootstrapServers",
  bootstrapbrokers: "bootstrapServers",
  frombeginning: "startFrom",
  autooffsetreset: "startFrom",
  tls: "ssl",
  sessiontimeout: "sessionTimeoutMs",
  heartbeatinterval: "heartbeatIntervalMs",
  telemetry: "instrumentation",
  opentelemetry: "instrumentation",
  otel: "instrumentation",
  tracing: "instrumentation",
};

/** The schema of {@link KafkaOptions} alone. */
export const kafkaOptions: OptionSchema<ResolvedKafkaOptions> = optionsObject<ResolvedKafkaOptions>(
  kafkaSchemas,
  { rules: kafkaRules, aliases: kafkaAliases, expected: "an object of connection options" },
);

function canClone(value: unknown): boolean {
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

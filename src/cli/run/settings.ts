/**
 * The settings of `kafka-threads run`, each once: flags, variables, keys of the config file, help,
 * documentation and errors follow from this table.
 *
 * @module
 */
import {
  asCommit,
  asDriver,
  asJson,
  asLimit,
  asList,
  asModule,
  asNumber,
  asPemFile,
  asSecretFile,
  asSize,
  asSwitch,
  asText,
  asTime,
  asTimeLimit,
  asTokenFile,
  type Reader,
} from "./readers.ts";

/** Where a setting can come from, the strongest first. */
export const SOURCES = ["flag", "variable", "file"] as const;

/** One of {@linkcode SOURCES}. */
export type Source = (typeof SOURCES)[number];

/** One thing that can be set. */
export interface Setting {
  /** Its name, which is also its key in the config file: `stop-timeout`. */
  readonly name: string;
  /** What stands for its value in help; without one it is a switch. */
  readonly value?: string;
  /** What it is for. */
  readonly help: string;
  /** Its default as one would give it, or in words; without one there is none. */
  readonly fallback?: string;
  /** How it is read. */
  readonly read: Reader;
  /**
   * The option that it sets: of `createOrderedConsumer` or `createParallelConsumer`, or behind `run.` of
   * the command itself.
   */
  readonly option: string;
  /** Whether it is never printed. */
  readonly secret?: true;
  /** Where it may come from. Default: from anywhere. */
  readonly sources?: readonly Source[];
  /** What `--no-…` is for, of a switch that is on by default. */
  readonly off?: string;
  /** Whether its flag may be given several times. */
  readonly repeatable?: true;
}

/** The settings by what they are about, in the order of help and documentation. */
export const SECTIONS: Readonly<Record<string, readonly Setting[]>> = {
  "What to run": [
    {
      name: "handler",
      value: "module",
      help: "The module of the handler: a path or a URL. It runs on handler threads",
      read: asModule,
      option: "handler",
    },
    {
      name: "config",
      value: "file",
      help: "A file of settings, YAML or JSON. Paths in it are relative to it",
      read: asText,
      option: "run.config",
      sources: ["flag", "variable"],
    },
    {
      name: "instrumentation",
      value: "module",
      help: "A module that is loaded first in every thread, to register an OpenTelemetry SDK",
      read: asModule,
      option: "instrumentation",
    },
  ],
  Kafka: [
    {
      name: "bootstrap",
      value: "host:port,…",
      help: "Brokers to ask for the others",
      read: asText,
      option: "bootstrapServers",
    },
    {
      name: "group",
      value: "service.group",
      help: "The consumer group",
      read: asText,
      option: "groupId",
    },
    {
      name: "topics",
      value: "topic,…",
      help: "Topics to consume; the flag may be repeated",
      read: asList,
      option: "topics",
      repeatable: true,
    },
    {
      name: "start-from",
      value: "latest|earliest",
      help: "Where a group without commits begins",
      fallback: "latest",
      read: asText,
      option: "startFrom",
    },
    {
      name: "name",
      value: "text",
      help: "Name of the consumer in logs, metrics and health",
      fallback: "kafka_consumer.{group}",
      read: asText,
      option: "name",
    },
    {
      name: "naming",
      value: "strict|free",
      help: "With free, group and name may be any text",
      fallback: "strict",
      read: asText,
      option: "naming",
    },
    {
      name: "client-id",
      value: "text",
      help: "Name that brokers log",
      fallback: "kafka-threads",
      read: asText,
      option: "clientId",
    },
    {
      name: "session-timeout",
      value: "time",
      help: "Time without a heartbeat after which the broker gives the partitions to others",
      fallback: "10s",
      read: asTime,
      option: "sessionTimeoutMs",
    },
    {
      name: "heartbeat-interval",
      value: "time",
      help: "Time between heartbeats",
      fallback: "3s",
      read: asTime,
      option: "heartbeatIntervalMs",
    },
    {
      name: "driver",
      value: "kafkajs|platformatic|module",
      help: "The Kafka client, or the module of one of your own",
      fallback: "kafkajs",
      read: asDriver,
      option: "driver",
    },
    {
      name: "driver-options",
      value: "JSON",
      help: "Passed to the client as it is; may hold secrets, so there is no flag for it",
      read: asJson,
      option: "driverOptions",
      secret: true,
      sources: ["variable", "file"],
    },
  ],
  "TLS and SASL": [
    {
      name: "ssl",
      help: "Use TLS; any other setting of TLS turns it on, too",
      fallback: "false",
      read: asSwitch,
      option: "ssl",
    },
    {
      name: "ssl-ca",
      value: "file",
      help: "Certificate authorities to trust (PEM)",
      fallback: "those of the runtime",
      read: asPemFile,
      option: "ssl.ca",
    },
    {
      name: "ssl-cert",
      value: "file",
      help: "The client's certificate (PEM)",
      read: asPemFile,
      option: "ssl.cert",
    },
    {
      name: "ssl-key",
      value: "file",
      help: "The private key that belongs to it (PEM)",
      read: asPemFile,
      option: "ssl.key",
    },
    {
      name: "ssl-servername",
      value: "host",
      help: "Name that the broker's certificate must carry",
      fallback: "the broker's host name",
      read: asText,
      option: "ssl.servername",
    },
    {
      name: "ssl-insecure",
      help: "Accept certificates that cannot be verified; never in production",
      fallback: "false",
      read: (given, folder) => !asSwitch(given, folder),
      option: "ssl.rejectUnauthorized",
    },
    {
      name: "sasl-mechanism",
      value: "mechanism",
      help: "plain, scram-sha-256, scram-sha-512 or oauthbearer",
      read: asText,
      option: "sasl.mechanism",
    },
    {
      name: "sasl-username",
      value: "text",
      help: "Name of the user",
      read: asText,
      option: "sasl.username",
    },
    {
      name: "sasl-password",
      value: "text",
      help: "Password of the user; there is no flag for it, as process lists show flags",
      read: asText,
      option: "sasl.password",
      secret: true,
      sources: ["variable"],
    },
    {
      name: "sasl-password-file",
      value: "file",
      help: "A file with the password",
      read: asSecretFile,
      option: "sasl.password",
    },
    {
      name: "sasl-token-file",
      value: "file",
      help: "For oauthbearer: a file with the token, read again for every connection",
      read: asTokenFile,
      option: "sasl.token",
    },
  ],
  "Order and speed": [
    {
      name: "ordered",
      help: "One message at a time, each partition in offset order",
      fallback: "false",
      read: asSwitch,
      option: "run.ordered",
    },
    {
      name: "order",
      value: "key|partition|none",
      help: "What is handled one after the other; not with ordered",
      fallback: "key",
      read: asText,
      option: "order",
    },
    {
      name: "concurrency",
      value: "count",
      help: "Most handler calls under way at once; not with ordered",
      fallback: "64",
      read: asNumber,
      option: "maxConcurrency",
    },
    {
      name: "threads",
      value: "count",
      help: "Handler threads; not with ordered, which has one",
      fallback: "as many as cores",
      read: asNumber,
      option: "threads",
    },
    {
      name: "commit",
      value: "each|continuous|time",
      help: "When offsets are committed; each only with ordered",
      fallback: "5s, with ordered: each",
      read: asCommit,
      option: "commit",
    },
    {
      name: "delivery",
      value: "at-least-once|interval",
      help: "With interval, what was read is committed, finished or not; not with ordered",
      fallback: "at-least-once",
      read: asText,
      option: "delivery",
    },
    {
      name: "batch-size",
      value: "count",
      help: "Most messages that are posted to a thread at a time",
      fallback: "1000",
      read: asNumber,
      option: "batchSize",
    },
    {
      name: "handler-batch-size",
      value: "count",
      help: "The handler gets up to so many messages at once",
      fallback: "one by one",
      read: asNumber,
      option: "handlerBatch.size",
    },
    {
      name: "handler-batch-wait",
      value: "time",
      help: "Longest time that a message waits for its batch to fill",
      fallback: "0",
      read: asTime,
      option: "handlerBatch.waitMs",
    },
    {
      name: "max-in-flight-messages",
      value: "count",
      help: "Most messages handed to handlers and not finished",
      fallback: "50000",
      read: asNumber,
      option: "maxInFlight.messages",
    },
    {
      name: "max-in-flight-bytes",
      value: "size",
      help: "Most bytes of them",
      fallback: "16MiB",
      read: asSize,
      option: "maxInFlight.bytes",
    },
  ],
  "When something fails": [
    {
      name: "retries",
      value: "count|unlimited",
      help: "How many more attempts a failed message gets",
      fallback: "0",
      read: asLimit,
      option: "onError.retries",
    },
    {
      name: "backoff",
      value: "time",
      help: "How long it waits for its second attempt",
      fallback: "1s",
      read: asTime,
      option: "onError.backoff.initialMs",
    },
    {
      name: "backoff-max",
      value: "time",
      help: "How long it waits for any attempt at most",
      fallback: "60s",
      read: asTime,
      option: "onError.backoff.maxMs",
    },
    {
      name: "backoff-factor",
      value: "number",
      help: "How many times longer each wait is",
      fallback: "2",
      read: asNumber,
      option: "onError.backoff.factor",
    },
    {
      name: "on-error",
      value: "stop|skip|dead-letter",
      help: "What happens to it when no attempts are left",
      fallback: "stop",
      read: asText,
      option: "onError.then",
    },
    {
      name: "dead-letter-topic",
      value: "topic",
      help: "Where dead letters go; {topic} stands for the message's topic",
      fallback: "{topic}.dead-letter",
      read: asText,
      option: "onError.deadLetterTopic",
    },
    {
      name: "on-invalid",
      value: "skip|stop|dead-letter",
      help: "What happens to messages that cannot be decoded, or that the schema refuses",
      fallback: "skip",
      read: asText,
      option: "onInvalid",
    },
    {
      name: "handler-timeout",
      value: "time",
      help: "Longest time of one handler call",
      fallback: "5m",
      read: asTime,
      option: "handlerTimeoutMs",
    },
    {
      name: "on-stuck",
      value: "replace|exit",
      help: "What happens when a thread hangs and cannot be ended: replace it, or end the process",
      fallback: "replace",
      read: asText,
      option: "onStuck",
    },
    {
      name: "restarts",
      value: "count",
      help:
        "How many handler threads may be replaced within a time, after which the consumer fails",
      fallback: "20",
      read: asNumber,
      option: "restarts.max",
    },
    {
      name: "restarts-within",
      value: "time",
      help: "The time within which they may be",
      fallback: "60s",
      read: asTime,
      option: "restarts.withinMs",
    },
    {
      name: "poll-backoff",
      value: "time",
      help: "Pause after a poll that failed; it doubles each time",
      fallback: "250ms",
      read: asTime,
      option: "retry.initialMs",
    },
    {
      name: "poll-backoff-max",
      value: "time",
      help: "Longest such pause",
      fallback: "10s",
      read: asTime,
      option: "retry.maxMs",
    },
    {
      name: "poll-budget",
      value: "time|unlimited",
      help: "Time without one good poll after which the consumer fails",
      fallback: "5m",
      read: asTimeLimit,
      option: "retry.budgetMs",
    },
    {
      name: "start-timeout",
      value: "time",
      help: "Time until consuming must have begun",
      fallback: "30s",
      read: asTime,
      option: "startTimeoutMs",
    },
    {
      name: "stop-timeout",
      value: "time",
      help: "Time that a stop may take",
      fallback: "30s",
      read: asTime,
      option: "stopTimeoutMs",
    },
  ],
  "Server and logs": [
    {
      name: "server",
      help: "Serve health, metrics and status",
      off: "Serve nothing",
      fallback: "true",
      read: asSwitch,
      option: "run.server",
    },
    {
      name: "port",
      value: "number",
      help: "Port of the server; 0: any free one",
      fallback: "9090",
      read: asNumber,
      option: "run.port",
    },
    {
      name: "hostname",
      value: "host",
      help: "Address to listen on; 0.0.0.0 or :: where probes come from outside",
      fallback: "localhost",
      read: asText,
      option: "run.hostname",
    },
    {
      name: "metrics",
      help: "Serve Prometheus metrics at /metrics",
      off: "Serve no Prometheus metrics",
      fallback: "true",
      read: asSwitch,
      option: "run.metrics",
    },
    {
      name: "expose-errors",
      help: "Tell the messages of errors in the server's answers",
      fallback: "false",
      read: asSwitch,
      option: "run.exposeErrors",
    },
    {
      name: "log-level",
      value: "debug|info|warn|error|silent",
      help: "Lowest level that is logged",
      fallback: "info",
      read: asText,
      option: "logLevel",
    },
    {
      name: "log-format",
      value: "auto|text|json",
      help: "auto is text on a terminal and JSON lines elsewhere",
      fallback: "auto",
      read: asText,
      option: "run.logFormat",
    },
    {
      name: "progress-interval",
      value: "time",
      help: "How often progress is logged if there was any, where no terminal shows it; 0: never",
      fallback: "10s",
      read: asTime,
      option: "run.progressIntervalMs",
    },
  ],
};

/** All settings. */
export const SETTINGS: readonly Setting[] = Object.values(SECTIONS).flat();

/** What options of the command itself begin with. */
export const OWN = "run.";

const PREFIX = "KAFKA_THREADS_";

/**
 * Tells whether a setting may come from somewhere.
 *
 * @param setting The setting.
 * @param source Where from.
 * @returns Whether it may.
 */
export function comesFrom(setting: Setting, source: Source): boolean {
  return setting.sources?.includes(source) ?? true;
}

/**
 * Tells what a setting is called where it comes from.
 *
 * @param setting The setting.
 * @param source Where from.
 * @returns `--stop-timeout`, `KAFKA_THREADS_STOP_TIMEOUT` or `stop-timeout`.
 */
export function calledIn({ name }: Setting, source: Source): string {
  if (source === "file") return name;
  if (source === "variable") return PREFIX + name.toUpperCase().replaceAll("-", "_");
  return name === "handler" ? "HANDLER" : `--${name}`;
}

/**
 * Tells whether a variable is, or is meant to be, one of the command's.
 *
 * @param variable Its name.
 * @returns Whether it is.
 */
export function isOwnVariable(variable: string): boolean {
  return variable.startsWith(PREFIX);
}

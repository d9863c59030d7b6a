/** From the options of a manager to those of one run. */

import type { Logger, LogLevel } from "../logger.ts";
import type { ResolvedConsumerOptions } from "../options/consumer_options.ts";
import type { ResolvedKafkaOptions } from "../options/kafka_options.ts";
import type { ResolvedThreadManagerOptions } from "../options/thread_manager_options.ts";
import type { PollerOptions, WireSasl } from "../threads/messages.ts";
import type { ConsumerRunOptions } from "./consumer_run.ts";
import type { PollerRunOptions } from "./poller_run.ts";
import type { RunOptions } from "./run.ts";

/** How long the group waits for its members to join again, unless `driverOptions` says otherwise. */
const REBALANCE_TIMEOUT_MS = 60_000;
/** How often is committed beside the commits that follow messages. */
const SAFETY_COMMIT_MS = 5_000;

/** What managers and consumers have in common. */
interface CommonOptions {
  readonly name: string;
  readonly maxInFlight: { readonly messages: number; readonly bytes: number };
  readonly retry: PollerOptions["retry"];
  readonly startTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly logLevel: LogLevel;
}

/**
 * Splits what crosses to the thread from what stays.
 *
 * @param epoch That of the last assignment before this run, or 0.
 */
export function runOptions(
  options: ResolvedThreadManagerOptions,
  logger: Logger,
  epoch: number,
): Omit<RunOptions, "owner"> {
  const { consumer, commit } = options;
  const common = commonOptions(consumer, options, logger, epoch);
  return {
    ...common,
    poller: {
      ...common.poller,
      commitIntervalMs: commit === "manual" ? null : commit.intervalMs,
      lifetimeMs: options.lifetimeMs,
    },
    daemon: options.daemon,
    onMessage: options.onMessage,
  };
}

/** The same for an ordered or parallel consumer. */
export function consumerRunOptions(
  options: ResolvedConsumerOptions,
  logger: Logger,
  epoch: number,
): Omit<ConsumerRunOptions, "owner" | "handlerThreads" | "notify"> {
  const { kafka, commit, onError, onInvalid, delivery } = options;
  const common = commonOptions(kafka, options, logger, epoch);
  const { deadLetterTopic, ...policy } = onError;
  // With "each" and "continuous" it is the safety net: what is left over when no message follows.
  const intervalMs = typeof commit === "object" ? commit.intervalMs : SAFETY_COMMIT_MS;
  return {
    ...common,
    poller: {
      ...common.poller,
      commitIntervalMs: intervalMs,
      lifetimeMs: null,
      work: {
        order: options.order,
        each: commit === "each",
        continuous: commit === "continuous",
        countsHanded: delivery === "interval",
        batchSize: options.batchSize,
        handlerBatch: options.handlerBatch ?? null,
        policy: { ...policy, onInvalid },
        deadLetterTopic,
        handlerTimeoutMs: options.handlerTimeoutMs,
        stopTimeoutMs: options.stopTimeoutMs,
      },
    },
    daemon: false,
    onStuck: options.onStuck,
    handler: options.handler,
    executor: {
      consumer: { name: options.name, groupId: kafka.groupId },
      clientId: kafka.clientId,
      ...(kafka.instrumentation === undefined
        ? {}
        : { instrumentation: kafka.instrumentation.href }),
      concurrency: options.maxConcurrency,
      handlerTimeoutMs: options.handlerTimeoutMs,
      batches: options.handlerBatch !== undefined,
      batchSize: options.handlerBatch?.size ?? 1,
      watched: options.handler.kind === "module",
      skipsInvalid: onInvalid === "skip",
      logLevel: options.logLevel,
    },
  };
}

function commonOptions(
  kafka: ResolvedKafkaOptions,
  options: CommonOptions,
  logger: Logger,
  epoch: number,
): Omit<PollerRunOptions, "owner" | "daemon" | "poller"> & {
  poller: Omit<PollerOptions, "commitIntervalMs" | "lifetimeMs">;
} {
  const { driver, sasl, driverOptions } = kafka;
  const { rebalanceTimeout } = driverOptions;
  return {
    poller: {
      name: options.name,
      bootstrapServers: kafka.bootstrapServers.map(({ host, port }) =>
        host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
      ),
      groupId: kafka.groupId,
      topics: kafka.topics,
      startFrom: kafka.startFrom,
      clientId: kafka.clientId,
      ssl: tlsOf(kafka.ssl),
      ...(sasl === undefined ? {} : { sasl: wireSasl(sasl) }),
      driver: typeof driver === "string" ? driver : driver.href,
      driverIsUrl: typeof driver !== "string",
      driverOptions: { ...driverOptions },
      sessionTimeoutMs: kafka.sessionTimeoutMs,
      heartbeatIntervalMs: kafka.heartbeatIntervalMs,
      epoch,
      maxInFlight: options.maxInFlight,
      retry: options.retry,
      // Half of it is for what is under way; the rest for committing it, and for joining.
      revokeTimeoutMs:
        (typeof rebalanceTimeout === "number" ? rebalanceTimeout : REBALANCE_TIMEOUT_MS) / 2,
      startTimeoutMs: options.startTimeoutMs,
      logLevel: options.logLevel,
      // On its own thread the program loads it itself.
      ...(kafka.instrumentation === undefined || kafka.thread === "inline" ? {} : {
        instrumentation: {
          module: kafka.instrumentation.href,
          stopTimeoutMs: options.stopTimeoutMs,
        },
      }),
    },
    thread: kafka.thread,
    worker: kafka.workers.poller,
    stopTimeoutMs: options.stopTimeoutMs,
    token: sasl !== undefined && "token" in sasl ? sasl.token : undefined,
    logger,
  };
}

function wireSasl(sasl: NonNullable<ResolvedKafkaOptions["sasl"]>): WireSasl {
  if (sasl.mechanism === "oauthbearer") return { mechanism: "oauthbearer" };
  const { mechanism, username, password } = sasl;
  return { mechanism, username, password };
}

function tlsOf(ssl: ResolvedKafkaOptions["ssl"]): PollerOptions["ssl"] {
  if (typeof ssl === "boolean") return ssl;
  const { ca, cert, key, servername, rejectUnauthorized } = ssl;
  return {
    ...(ca === undefined ? {} : { ca: [...ca] }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    rejectUnauthorized,
  };
}

/** From the options of a manager to those of one run. */

import type { Logger } from "../logger.ts";
import type { ResolvedKafkaOptions } from "../options/kafka_options.ts";
import type { ResolvedThreadManagerOptions } from "../options/thread_manager_options.ts";
import type { WireSasl } from "../threads/messages.ts";
import type { RunOptions } from "./run.ts";

/** How long the group waits for its members to join again, unless `driverOptions` says otherwise. */
const REBALANCE_TIMEOUT_MS = 60_000;

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
  const { driver, sasl, driverOptions } = consumer;
  const { rebalanceTimeout } = driverOptions;
  return {
    poller: {
      name: options.name,
      bootstrapServers: consumer.bootstrapServers.map(({ host, port }) =>
        host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
      ),
      groupId: consumer.groupId,
      topics: consumer.topics,
      startFrom: consumer.startFrom,
      clientId: consumer.clientId,
      ssl: tlsOf(consumer.ssl),
      ...(sasl === undefined ? {} : { sasl: wireSasl(sasl) }),
      driver: typeof driver === "string" ? driver : driver.href,
      driverIsUrl: typeof driver !== "string",
      driverOptions: { ...driverOptions },
      sessionTimeoutMs: consumer.sessionTimeoutMs,
      heartbeatIntervalMs: consumer.heartbeatIntervalMs,
      epoch,
      maxInFlight: options.maxInFlight,
      commitIntervalMs: commit === "manual" ? null : commit.intervalMs,
      lifetimeMs: options.lifetimeMs,
      retry: options.retry,
      // Half of it is for what is under way; the rest for committing it, and for joining.
      revokeTimeoutMs:
        (typeof rebalanceTimeout === "number" ? rebalanceTimeout : REBALANCE_TIMEOUT_MS) / 2,
      startTimeoutMs: options.startTimeoutMs,
      logLevel: options.logLevel,
    },
    thread: consumer.thread,
    worker: consumer.workers.poller,
    daemon: options.daemon,
    stopTimeoutMs: options.stopTimeoutMs,
    token: sasl !== undefined && "token" in sasl ? sasl.token : undefined,
    onMessage: options.onMessage,
    logger,
  };
}

function wireSasl(sasl: NonNullable<ResolvedKafkaOptions["sasl"]>): WireSasl {
  if (sasl.mechanism === "oauthbearer") return { mechanism: "oauthbearer" };
  const { mechanism, username, password } = sasl;
  return { mechanism, username, password };
}

function tlsOf(ssl: ResolvedKafkaOptions["ssl"]): RunOptions["poller"]["ssl"] {
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

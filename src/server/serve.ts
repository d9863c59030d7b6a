/** Consumers as a program: started, served, stopped by signals, with an exit code. */

import { type Logger, safeLogger } from "../logger.ts";
import { listen, type Listening } from "./listen.ts";
import { consumerList, type Monitored } from "./monitored.ts";
import { type HealthApp, healthRoutes } from "./routes.ts";
import {
  parseServeOptions,
  type ResolvedServeOptions,
  type ServeOptions,
} from "./serve_options.ts";
import { listenToSignals } from "./signals.ts";
import { errorFields } from "../threads/log_fields.ts";

/**
 * Runs consumers as a program: has a server answer for them, starts all of them, and stops them when
 * it is time.
 *
 * The server listens first, so that probes are answered while consumers join their groups; then all
 * consumers start at the same time. Everything goes on until SIGTERM or SIGINT arrives, `signal`
 * aborts, every consumer has ended, or one of them fails, be it at its start. Then all stop at the
 * same time: they take no more messages, finish those that are being handled, commit, and leave
 * their groups, each within its own `stopTimeoutMs`. The server closes last. A second signal ends the
 * program at once, with 128 and the signal's number.
 *
 * @param consumers One consumer or several, whose names differ; those that run already are taken over.
 * @param options Where to serve, what to answer, how to end.
 * @returns The exit code, when everything has ended: 0 after a clean stop, 1 where a consumer has failed or
 * could not stop cleanly. By default the program has exited by then.
 * @throws {OptionsError} If options are wrong; it names all of them.
 * @throws {KafkaThreadsError} If the server cannot listen, with code `ADDRESS_IN_USE` or `LISTEN_FAILED`;
 * nothing has been started then. By default the program exits with 1 instead.
 *
 * @example
 * ```ts no-eval
 * import { createOrderedConsumer } from "@kafka-threads/kafka-threads";
 * import { serve } from "@kafka-threads/kafka-threads/server";
 *
 * const consumer = createOrderedConsumer({
 *   bootstrapServers: "localhost:9092",
 *   groupId: "shop.orders",
 *   topics: ["orders"],
 *   handler: new URL("./handler.ts", import.meta.url),
 * });
 * await serve(consumer, { hostname: "0.0.0.0", port: 9090 });
 * ```
 */
export async function serve(
  consumers: Monitored | readonly Monitored[],
  options: ServeOptions = {},
): Promise<number> {
  const settings = parseServeOptions(options);
  const all = consumerList(consumers);
  const app = healthRoutes(all, settings.routes);
  const logger = safeLogger(settings.logger);
  using request = listenToStopRequests(settings);
  let server: Listening | undefined;
  let code: number;
  try {
    server = await listen((request) => app.fetch(request), settings);
    const { hostname, port, url } = server;
    logger.info(`Health is served at ${url}health`);
    warmUp(app, url);
    await settings.onListen?.({ hostname, port, url });
    code = await run(all, request, logger);
  } catch (error) {
    logger.error(`Cannot serve: ${messageOf(error)}`, { error });
    if (!settings.exit) throw error;
    code = 1;
  } finally {
    await server?.close();
  }
  // Threads that hang and cannot be ended must not keep the program alive.
  if (settings.exit) exit(code);
  return code;
}

/**
 * Asks what probers will ask: the first answers load modules, which is quick now, and not when handlers
 * take all cores and a prober waits for no more than a second.
 */
function warmUp(app: HealthApp, url: string): void {
  for (const path of ["health/live", "metrics"]) {
    Promise.resolve(app.fetch(new Request(`${url}${path}`)))
      .then((response) => response.body?.cancel())
      // Whoever asks in earnest is told.
      .catch(() => {});
  }
}

/** Runs the consumers from start to end, and tells the exit code. */
async function run(
  consumers: readonly Monitored[],
  request: StopRequest,
  logger: Logger,
): Promise<number> {
  const failed = Promise.withResolvers<string>();
  let failures = 0;
  const live = async (consumer: Monitored) => {
    try {
      await consumer.start();
      await consumer.closed;
    } catch (error) {
      // One that is stopped while it starts rejects too, which is no failure.
      if (consumer.state === "stopped") return;
      failures++;
      logger.error(`"${consumer.name}" has failed: ${messageOf(error)}`, {
        consumer: consumer.name,
        ...errorFields(error),
      });
      failed.resolve(`"${consumer.name}" has failed`);
    }
  };
  const lives = request.made ? [] : consumers.map(live);
  const ended = Promise.all(lives).then(() => "every consumer has ended");
  const reason = await Promise.race([request.received, failed.promise, ended]);
  logger.info(`Stopping, as ${reason}`);
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  await Promise.all(lives);
  logger.info(failures === 0 ? "Stopped cleanly" : "Stopped after a failure");
  return failures === 0 ? 0 : 1;
}

/** Somebody's wish that everything should end. */
interface StopRequest extends Disposable {
  /** Whether it has been made. */
  readonly made: boolean;
  /** Resolves when it is made, with who made it. */
  readonly received: Promise<string>;
}

function listenToStopRequests({ signal, handleSignals }: ResolvedServeOptions): StopRequest {
  const { promise: received, resolve } = Promise.withResolvers<string>();
  let made = false;
  const make = (reason: string) => {
    made = true;
    resolve(reason);
  };
  const abort = () => make("the signal option was aborted");
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort, { once: true });
  const signals = handleSignals ? listenToSignals() : null;
  signals?.received.then((name) => make(`${name} was received`));
  return {
    get made() {
      return made;
    },
    received,
    [Symbol.dispose]: () => {
      signal?.removeEventListener("abort", abort);
      signals?.[Symbol.dispose]();
    },
  };
}

function messageOf(error: unknown): string {
  return String((error as Error | null)?.message ?? error);
}

function exit(code: number): void {
  // Deno and Bun have it as well.
  const { process } = globalThis as { process?: { exit(code: number): void } };
  process?.exit(code);
}

/** Runs a handler module in a thread of its own. */

import { KafkaThreadsError } from "../errors.ts";
import { Executor } from "../executor/executor.ts";
import type { Teardown } from "../handler.ts";
import { atLeast, type Logger, type LogLevel } from "../logger.ts";
import type { Channel } from "../threads/channel.ts";
import { errorText } from "../threads/error_text.ts";
import { encodeError } from "../threads/error_wire.ts";
import { encodeFields } from "../threads/log_fields.ts";
import { Instrumentation, SHUTDOWN_TIMEOUT_MS } from "../telemetry/instrumentation.ts";
import { type PortChannel, portChannel } from "../threads/port_channel.ts";
import type {
  FromExecutor,
  FromHandlerThread,
  ToExecutor,
  ToHandlerThread,
} from "../threads/work.ts";
import { loadHandlers } from "./load_handlers.ts";
import { watchCrashes } from "./watch_crashes.ts";

type ToProgram = Channel<ToHandlerThread, FromHandlerThread>;
type Start = ToHandlerThread & { type: "start" };

/**
 * Listens on the channel, says so, and runs a handler module when it is told to start.
 *
 * @param channel Leads to the program's thread.
 */
export function serveHandlers(channel: ToProgram): void {
  let thread: HandlerThread | null = null;
  channel.onMessage = (message) => {
    if (message.type === "ping") channel.post({ type: "pong", id: message.id });
    else if (message.type === "stop") void thread?.stop();
    else if (thread === null) {
      thread = new HandlerThread(channel, message);
      void thread.start();
    }
  };
  channel.post({ type: "ready" });
}

class HandlerThread {
  readonly #channel: ToProgram;
  readonly #start: Start;
  readonly #logger: Logger;
  readonly #port: PortChannel<ToExecutor, FromExecutor>;
  readonly #stopping = new AbortController();
  #instrumentation: Instrumentation = Instrumentation.none;
  #teardown: Teardown | null = null;
  #executor: Executor | null = null;
  #started: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(channel: ToProgram, start: Start) {
    this.#channel = channel;
    this.#start = start;
    this.#logger = channelLogger(channel, start.options.logLevel);
    this.#port = portChannel(start.port);
    watchCrashes((error) => this.#crash(error));
  }

  start(): Promise<void> {
    return this.#started = this.#load().catch((error) => this.#end({ type: "failed", error }));
  }

  async stop(): Promise<void> {
    this.#stopping.abort(new KafkaThreadsError("The thread is to end", { code: "STOPPED" }));
    await this.#started;
    this.#executor?.close();
    try {
      await this.#teardown?.();
    } catch (error) {
      this.#logger.error(`The handler's teardown has failed: ${errorText(error)}`, { error });
    }
    const error = await this.#instrumentation.shutdown(SHUTDOWN_TIMEOUT_MS);
    if (error !== null) {
      this.#logger.warn(`Cannot shut the instrumentation down: ${error.message}`, { error });
    }
    this.#end({ type: "stopped" });
  }

  async #load(): Promise<void> {
    const { module, options, thread } = this.#start;
    const { consumer } = options;
    // First of all: what it instruments may be what the handler's module imports.
    this.#instrumentation = await Instrumentation.load(options.instrumentation);
    const { handlers, setup } = await loadHandlers(module);
    const { signal } = this.#stopping;
    if (setup !== undefined && !signal.aborted) {
      try {
        const teardown = await setup({ consumer, thread, logger: this.#logger, signal });
        if (typeof teardown === "function") this.#teardown = teardown;
      } catch (cause) {
        throw new KafkaThreadsError(
          `The setup of the handler module "${module}" has failed: ${errorText(cause)}`,
          { code: "HANDLER_SETUP_FAILED", cause },
        );
      }
    }
    if (this.#ended || signal.aborted) return;
    this.#executor = new Executor(this.#port, handlers, options, this.#logger);
    this.#channel.post({ type: "loaded" });
    this.#executor.start();
  }

  #crash(error: unknown): void {
    if (this.#ended) return;
    // First what has been finished: nobody needs to do that again.
    this.#executor?.flushFinally();
    this.#end({ type: "crashed", error });
  }

  /** Says a last word. */
  #end(word: { type: "stopped" } | { type: "failed" | "crashed"; error: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    // After a crash handlers go on until the thread is ended: what they finish must not be done again.
    if (word.type !== "crashed") {
      this.#executor?.close();
      this.#port.close();
    }
    this.#channel.post(
      word.type === "stopped" ? word : { type: word.type, error: encodeError(word.error) },
    );
  }
}

function channelLogger(channel: ToProgram, threshold: LogLevel): Logger {
  const at = (level: LogLevel): Logger["info"] => (message, fields) => {
    if (!atLeast(level, threshold)) return;
    channel.post({
      type: "log",
      level,
      message: String(message),
      ...(fields === undefined ? {} : { fields: encodeFields(fields) }),
    });
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

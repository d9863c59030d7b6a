/** `kafka-threads run`: a consumer with a handler on threads, until a signal. */

import { Consumer } from "../../consumer.ts";
import { KafkaThreadsError } from "../../errors.ts";
import { type Logger, safeLogger } from "../../logger.ts";
import { jsonLogger } from "../../server/json_logger.ts";
import { toLogValue } from "../../server/log_value.ts";
import { listenToSignals } from "../../server/signals.ts";
import { errorFields } from "../../threads/log_fields.ts";
import { EXIT } from "../exit.ts";
import { inForce, tableOf } from "./check.ts";
import { choose, type Everything } from "./choose.ts";
import { readConfigFile } from "./config_file.ts";
import { SettingsError } from "./problems.ts";
import { hasMoved, type ProgressFields, progressFields, progressLine } from "./progress.ts";
import { type OwnOptions, prepare, type Prepared } from "./run_options.ts";
import { calledIn, SETTINGS } from "./settings.ts";
import { Terminal, type TextStream } from "./terminal.ts";
import { textLine } from "./text_line.ts";

/** Milliseconds between two looks at the consumer, on a terminal. */
const REDRAW_MS = 500;

/** What the command is given, and where it writes to. */
export interface Surroundings extends Omit<Everything, "file"> {
  /** Takes logs, progress, and what a check finds. */
  readonly stdout: TextStream;
  /** Takes what is wrong with the settings. */
  readonly stderr: TextStream;
}

/**
 * Runs a handler, until a signal, or until it fails.
 *
 * @param around What was given.
 * @param check Whether it is only checked if it could run.
 * @returns The exit code.
 */
export async function runHandler(around: Surroundings, check: boolean): Promise<number> {
  let settled: Awaited<ReturnType<typeof settle>>;
  try {
    settled = await settle(around);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    around.stderr.write(`${error.message}\n(kafka-threads run --help tells more)\n`);
    return EXIT.USAGE;
  }
  const { prepared, warnings } = settled;
  if (check) return await report(around, settled);
  const terminal = new Terminal(around.stdout);
  const logger = loggerOf(prepared, terminal, around.stdout);
  for (const warning of warnings) logger.warn(warning);
  const consumer = new Consumer({ ...prepared.consumer, logger });
  using _progress = isLive(prepared.own, around.stdout)
    ? drawProgress(consumer, terminal)
    : logProgress(consumer, logger, prepared.own.progressIntervalMs);
  return await consume(consumer, prepared.own, logger);
}

async function settle(around: Surroundings) {
  const setting = SETTINGS.find(({ name }) => name === "config")!;
  const variable = calledIn(setting, "variable");
  const path = around.flags["config"] ?? (around.variables[variable] || undefined);
  const file = path === undefined ? null : await readConfigFile(
    String(path),
    around.folder,
    around.flags["config"] === undefined ? variable : calledIn(setting, "flag"),
  );
  const { chosen, problems, warnings } = choose({ ...around, file });
  try {
    return { chosen, warnings, prepared: await prepare(chosen, problems) };
  } catch (error) {
    // Perhaps what is missing was given by a name that is not known.
    for (const warning of warnings) around.stderr.write(`${warning}\n`);
    throw error;
  }
}

async function report(
  { stdout, stderr }: Surroundings,
  { chosen, prepared, warnings }: Awaited<ReturnType<typeof settle>>,
): Promise<number> {
  const { consumer: { kafka }, own } = prepared;
  const settings = inForce(chosen, prepared);
  const { topics } = kafka;
  const json = own.logFormat === "json";
  if (!json) stdout.write(`Settings in force:\n${tableOf(settings)}\n`);
  const logger = json
    ? jsonLogger({ write: (line) => stderr.write(`${line}\n`) })
    : textLogger((text) => stderr.write(`${text}\n`));
  for (const warning of warnings) logger.warn(warning);
  const failure = await failureOf(() => new Consumer({ ...prepared.consumer, logger }).check());
  const { message, ...fields } = failure ?? { message: null };
  if (json) {
    const error = failure === null ? {} : { error: toLogValue(failure.error) };
    stdout.write(`${JSON.stringify({ ok: failure === null, settings, topics, ...error })}\n`);
  } else if (message === null) {
    const where = kafka.bootstrapServers
      .map(({ host, port }) => `${host.includes(":") ? `[${host}]` : host}:${port}`).join(",");
    stdout.write(
      "Ready to run: the handler's module can be used, " +
        `Kafka at ${where} answers, and these topics exist: ${topics.join(", ")}\n`,
    );
  } else {
    logger.error(`Not ready to run: ${message}`, fields);
  }
  return failure === null ? EXIT.DONE : EXIT.FAILED;
}

async function consume(consumer: Consumer, own: OwnOptions, logger: Logger): Promise<number> {
  if (!own.server) return await consumeAlone(consumer, logger);
  // Only here: without a server nobody need wait for it.
  const { serve } = await import("../../server/serve.ts");
  const { port, hostname, metrics, exposeErrors } = own;
  let code: number = EXIT.FAILED;
  // What goes wrong is in the log by then.
  await failureOf(async () => {
    code = await serve(consumer, { port, hostname, metrics, exposeErrors, logger, exit: false });
  });
  return code;
}

async function consumeAlone(consumer: Consumer, logger: Logger): Promise<number> {
  using signals = listenToSignals();
  const ended = failureOf(async () => void await consumer.closed);
  // What it rejects with, `closed` rejects with as well.
  consumer.start().catch(() => {});
  await Promise.race([ended, signals.received]);
  await consumer.stop();
  const failure = await ended;
  if (failure === null) return EXIT.DONE;
  const { message, ...fields } = failure;
  logger.error(`"${consumer.name}" has failed: ${message}`, fields);
  return EXIT.FAILED;
}

/** What went wrong, as the fields of a log line; what is no error of the library's is thrown. */
async function failureOf(
  act: () => Promise<void>,
): Promise<{ message: string; error: KafkaThreadsError } | null> {
  try {
    await act();
    return null;
  } catch (error) {
    if (!KafkaThreadsError.is(error)) throw error;
    return { ...errorFields(error), message: error.message, error };
  }
}

function loggerOf({ consumer, own }: Prepared, terminal: Terminal, stdout: TextStream): Logger {
  const logger = isText(own, stdout)
    ? textLogger((text) => terminal.log(text))
    : jsonLogger({ write: (line) => terminal.log(line) });
  return safeLogger(logger, consumer.logLevel);
}

function textLogger(write: (text: string) => void): Logger {
  const at = (level: "debug" | "info" | "warn" | "error"): Logger["info"] => (message, fields) =>
    write(textLine(new Date(), level, message, fields));
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}

function isText({ logFormat }: OwnOptions, { isTTY }: TextStream): boolean {
  return logFormat === "text" || logFormat === "auto" && isTTY === true;
}

function isLive(own: OwnOptions, stdout: TextStream): boolean {
  return isText(own, stdout) && stdout.isTTY === true;
}

function drawProgress(consumer: Consumer, terminal: Terminal): Disposable {
  const draw = () => terminal.show(progressLine(consumer.stats(), terminal.width));
  const timer = setInterval(draw, REDRAW_MS);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      const last = progressLine(consumer.stats(), terminal.width);
      terminal.show("");
      terminal.log(last);
    },
  };
}

function logProgress(consumer: Consumer, logger: Logger, everyMs: number): Disposable {
  let last: ProgressFields = progressFields(consumer.stats());
  const log = () => {
    const fields = progressFields(consumer.stats());
    if (hasMoved(fields, last)) logger.info("Progress", { consumer: consumer.name, ...fields });
    last = fields;
  };
  const timer = everyMs === 0 ? undefined : setInterval(log, everyMs);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      if (everyMs !== 0) log();
    },
  };
}

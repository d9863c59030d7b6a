import process from "node:process";
import { Command, Option } from "commander";
import type { Surroundings } from "./run.ts";
import { calledIn, comesFrom, SECTIONS, type Setting, SETTINGS } from "./settings.ts";

const HELP_AFTER = `
Settings come from flags, from variables (--stop-timeout is KAFKA_THREADS_STOP_TIMEOUT), and from the
config file (stop-timeout: 30s), in that order of strength. Times are milliseconds, or have a unit: 500ms,
30s, 5m, 1h. Sizes are bytes, or have a unit: 64KiB, 16MiB. A switch has its opposite: --no-ordered.
Without a flag, as they may be secret: KAFKA_THREADS_SASL_PASSWORD, KAFKA_THREADS_DRIVER_OPTIONS.

Exit codes: 0 after a clean stop, 1 after a failure, 2 if settings are wrong.

Examples:
  kafka-threads run ./handler.ts --bootstrap localhost:9092 --group shop.orders --topics orders
  kafka-threads run --config kafka-threads.yaml --check`;

/**
 * Makes `kafka-threads run`.
 *
 * @param ended Is told the exit code.
 * @param around What it takes from the process instead of the process's own: for tests.
 * @returns The command.
 */
export function runCommand(
  ended: (code: number) => void,
  around: Partial<Surroundings> = {},
): Command {
  const command = new Command("run")
    .description("Consumes topics with a handler module on threads, until Ctrl-C or SIGTERM")
    .argument("[HANDLER]", "the handler's module: a path or a URL")
    .option("--check", "only check the settings, the handler, and that Kafka has the topics")
    .addHelpText("after", HELP_AFTER);
  for (const [heading, settings] of Object.entries(SECTIONS)) {
    for (const setting of settings.filter(({ name }) => name !== "handler")) {
      for (const option of optionsOf(setting)) command.addOption(option.helpGroup(`${heading}:`));
    }
  }
  return command.action(async (handler: string | undefined, _options, self: Command) => {
    // Only here: whoever asks for help need not wait for it.
    const { runHandler } = await import("./run.ts");
    const flags = { ...givenFlags(self), ...(handler === undefined ? {} : { handler }) };
    const check = self.getOptionValue("check") === true;
    const { stdout, stderr } = process;
    // Nobody reads the log any more: no reason to end without a commit.
    if (around.stdout === undefined) stdout.on("error", () => {});
    const folder = process.cwd();
    const given = { flags, variables: process.env, folder, stdout, stderr, ...around };
    ended(await runHandler(given, check));
  });
}

function optionsOf(setting: Setting): Option[] {
  const { name, value, help, off, fallback, repeatable } = setting;
  if (value === undefined) {
    const on = new Option(`--${name}`, help);
    const no = new Option(`--no-${name}`, off);
    return off === undefined ? [on, no.hideHelp()] : [no, on.hideHelp()];
  }
  // Whoever gives as a flag what cannot be one is told what to do instead.
  if (!comesFrom(setting, "flag")) return [new Option(`--${name} [value]`).hideHelp()];
  const option = new Option(`${calledIn(setting, "flag")} <${value}>`, help);
  if (fallback !== undefined) option.default(fallback, fallback);
  if (repeatable) {
    option.argParser<string[]>((text, before = []) => [...before, text]);
  }
  return [option];
}

/**
 * Tells what flags were given; commander has defaults as well.
 *
 * @param command The command, after it was parsed.
 * @returns What they say, by the settings' names.
 */
export function givenFlags(command: Command): Record<string, unknown> {
  const flags: Record<string, unknown> = {};
  for (const { name } of SETTINGS) {
    const attribute = new Option(`--${name}`).attributeName();
    if (command.getOptionValueSource(attribute) === "cli") {
      flags[name] = command.getOptionValue(attribute);
    }
  }
  return flags;
}

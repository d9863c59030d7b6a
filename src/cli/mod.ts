/**
 * The command `kafka-threads`.
 *
 * ```sh
 * deno run -A jsr:@kafka-threads/kafka-threads/cli broker --port 9092 --topic orders:3
 * npx kafka-threads broker --port 9092 --topic orders:3
 * npx kafka-threads run ./handler.js --bootstrap localhost:9092 --group shop.orders --topics orders
 * ```
 *
 * Importing this module does nothing; it runs the command when it is the program itself.
 *
 * @module
 */
import process from "node:process";
import { Command, CommanderError } from "commander";
import { brokerCommand } from "./broker.ts";
import { demoCommand } from "./demo/command.ts";
import { EXIT } from "./exit.ts";
import { runCommand } from "./run/command.ts";

/** Where the command says what is wrong, and prints its help. */
export interface CommandOutput {
  /** Takes text for standard output. */
  writeOut(text: string): void;
  /** Takes text for standard error. */
  writeErr(text: string): void;
}

/**
 * Runs the command.
 *
 * @param args Its arguments, without the program's name.
 * @param output Where it says what is wrong and prints its help; default: the process's own streams.
 * @returns The exit code: 0 after a clean end, 1 after a failure, 2 if the arguments are wrong. It is
 * the caller who exits.
 */
export async function main(
  args: readonly string[],
  output: Partial<CommandOutput> = {},
): Promise<number> {
  let code: number = EXIT.DONE;
  const ended = (of: number) => void (code = of);
  const program = new Command("kafka-threads")
    .description("Kafka consumers that never stall, and a Kafka broker for development and tests")
    .exitOverride()
    .configureOutput({ ...output, outputError: (text, write) => write(withoutValue(text)) })
    .showHelpAfterError("(--help tells more)")
    .addCommand(runCommand(ended))
    .addCommand(brokerCommand(ended))
    .addCommand(demoCommand(ended));
  // Subcommands that are made elsewhere do not inherit these.
  for (const command of program.commands) command.copyInheritedSettings(program);
  try {
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed what is wrong, or the help that was asked for.
    return error.exitCode === 0 ? EXIT.DONE : EXIT.USAGE;
  }
  return code;
}

/** What follows a flag that is not known may be a secret: `--sasl-pasword=…`. */
function withoutValue(text: string): string {
  return text.replace(/'(--?[^'=\s]+)=.*'/s, "'$1'");
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));

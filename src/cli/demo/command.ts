import process from "node:process";
import { Command } from "commander";

/**
 * Makes `kafka-threads demo`.
 *
 * @param ended Is told the exit code.
 * @returns The command.
 */
export function demoCommand(ended: (code: number) => void): Command {
  return new Command("demo")
    .description(
      "A quarter of a minute of a shop's orders, and all kinds of consumers at work on them",
    )
    .option(
      "--bootstrap <host:port,…>",
      "a Kafka to use instead of a broker in this process (default: $KAFKA_BOOTSTRAP_SERVERS)",
    )
    .action(async ({ bootstrap }: { bootstrap?: string }) => {
      // Only here: whoever asks for help need not wait for it.
      const { runDemo } = await import("./demo.ts");
      const given = bootstrap ?? process.env["KAFKA_BOOTSTRAP_SERVERS"];
      ended(await runDemo(given || null));
    });
}

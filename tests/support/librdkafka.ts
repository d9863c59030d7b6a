// The clients that stand on librdkafka: confluent-kafka for Python, and kcat.
import { runProgram } from "./kafka/java.ts";
import { type Program, pythonWith } from "./python.ts";

export type { Program } from "./python.ts";

/**
 * Finds a Python that has confluent-kafka. The first call on a machine makes a virtual environment
 * under `node_modules/.cache` and lets pip fetch the package; later ones take that.
 *
 * @returns The Python, or the reason to print beside the skipped tests.
 */
export function confluentPython(): Promise<Program> {
  return pythonWith({
    name: "confluent-kafka",
    requirement: "confluent-kafka>=2.6,<3",
    module: "confluent_kafka",
  });
}

/**
 * Finds kcat, which Debian has as a package.
 *
 * @returns The command, or the reason to print beside the skipped tests.
 */
export async function kcat(): Promise<Program> {
  const { error } = await runProgram("kcat", ["-V"]);
  return error
    ? { ok: false, reason: `There is no "kcat" on the path` }
    : { ok: true, command: "kcat" };
}

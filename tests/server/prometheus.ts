// Prometheus's own parser of its text format, which is a package for Python.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runProgram } from "../support/kafka/java.ts";
import { type Program, pythonWith } from "../support/python.ts";
import type { ExposedFamily } from "./exposition.ts";

const PROGRAM = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
with open(sys.argv[1], encoding="utf-8") as file:
    families = [
        {
            "name": family.name + ("_total" if family.type == "counter" else ""),
            "help": family.documentation,
            "type": family.type,
            "samples": [
                {"name": sample.name, "labels": sample.labels, "value": str(sample.value)}
                for sample in family.samples
            ],
        }
        for family in text_string_to_metric_families(file.read())
    ]
print(json.dumps(families))
`;

/**
 * Finds a Python that has Prometheus's client.
 *
 * @returns The Python, or the reason to print beside the skipped tests.
 */
export function prometheusPython(): Promise<Program> {
  return pythonWith({
    name: "prometheus-client",
    requirement: "prometheus-client>=0.20,<1",
    module: "prometheus_client.parser",
  });
}

/** What Prometheus's parser reads out of what a scrape has answered. */
export async function parseByPrometheus(python: string, text: string): Promise<ExposedFamily[]> {
  const folder = await mkdtemp(join(tmpdir(), "metrics-"));
  try {
    const file = join(folder, "metrics.txt");
    await writeFile(file, text);
    const { error, output } = await runProgram(python, ["-c", PROGRAM, file]);
    if (error !== null) throw new Error(`Prometheus's parser refuses it: ${output}`);
    const families = JSON.parse(output) as (Omit<ExposedFamily, "samples"> & {
      samples: { name: string; labels: Record<string, string>; value: string }[];
    })[];
    return families.map(({ samples, ...family }) => ({
      ...family,
      samples: samples.map((sample) => ({ ...sample, value: Number(sample.value) })),
    }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

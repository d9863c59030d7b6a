// What the tests of `kafka-threads run` share.
import { fileURLToPath } from "node:url";
import { type Choice, choose, type Everything } from "../../../src/cli/run/choose.ts";
import type { ConfigFile } from "../../../src/cli/run/config_file.ts";
import { SettingsError } from "../../../src/cli/run/problems.ts";
import { prepare, type Prepared } from "../../../src/cli/run/run_options.ts";

/** The folder of the handler that the tests run. */
export const FOLDER = fileURLToPath(new URL("./fixtures", import.meta.url));

/** What every consumer needs. */
export const NEEDED: Readonly<Record<string, string>> = {
  handler: "handler.ts",
  bootstrap: "127.0.0.1:9092",
  group: "shop.orders",
  topics: "orders",
};

/** A config file that sets this. */
export function fileOf(values: Record<string, unknown>): ConfigFile {
  return { name: "config.yaml", folder: FOLDER, values };
}

/** Chooses among what is given; nothing else is there. */
export function chooseFrom(given: Partial<Everything>): Choice {
  return choose({ flags: {}, variables: {}, file: null, folder: FOLDER, ...given });
}

/** Makes options of what is given. */
export function prepareFrom(given: Partial<Everything>): Promise<Prepared> {
  const { chosen, problems } = chooseFrom(given);
  return prepare(chosen, problems);
}

/** What is wrong with what is given. */
export async function problemsOf(given: Partial<Everything>): Promise<readonly string[]> {
  try {
    await prepareFrom(given);
    return [];
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
}

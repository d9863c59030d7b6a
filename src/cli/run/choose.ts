/** Which of the things that were given counts: flags are stronger than variables, these than the file. */

import type { ConfigFile } from "./config_file.ts";
import { unknown, wrong } from "./problems.ts";
import {
  calledIn,
  comesFrom,
  isOwnVariable,
  type Setting,
  SETTINGS,
  type Source,
  SOURCES,
} from "./settings.ts";

/** What was given for a setting. */
export interface Given {
  /** The setting. */
  readonly setting: Setting;
  /** What was given, as it was. */
  readonly given: unknown;
  /** Where: `--group`, `KAFKA_THREADS_GROUP` or `"group" in config.yaml`. */
  readonly origin: string;
  /** What paths in it are relative to. */
  readonly folder: string;
}

/** What counts, by the settings' names. */
export type Chosen = ReadonlyMap<string, Given>;

/** Everything that was given. */
export interface Everything {
  /** What flags say, by the settings' names. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** The environment. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The config file, if there is one. */
  readonly file: ConfigFile | null;
  /** The working directory. */
  readonly folder: string;
}

/** What {@linkcode choose} finds. */
export interface Choice {
  /** What counts. */
  readonly chosen: Chosen;
  /** What is wrong. */
  readonly problems: readonly string[];
  /** What is odd. */
  readonly warnings: readonly string[];
}

/**
 * Chooses. A variable that is empty counts as left out, as does a key of the config file without a value.
 *
 * @param everything Everything that was given.
 * @returns What counts, and what is given where it does not belong.
 */
export function choose(everything: Everything): Choice {
  const { variables, file } = everything;
  const chosen = new Map<string, Given>();
  const problems: string[] = [];
  for (const setting of SETTINGS) {
    for (const source of SOURCES) {
      const given = givenIn(source, setting, everything);
      if (given === undefined) continue;
      if (!comesFrom(setting, source)) problems.push(wrong(given, elsewhere(setting)));
      else if (!chosen.has(setting.name)) chosen.set(setting.name, given);
    }
  }
  for (const key of Object.keys(file?.values ?? {})) {
    if (SETTINGS.some(({ name }) => name === key)) continue;
    const called = ({ name }: Setting) => JSON.stringify(name);
    problems.push(`${JSON.stringify(key)} in ${file!.name} ${unknown(key, called)}`);
  }
  const known = new Set(SETTINGS.map((setting) => calledIn(setting, "variable")));
  // Only a warning: Kubernetes makes such variables of a service that is called kafka-threads.
  const warnings = Object.keys(variables)
    .filter((name) => isOwnVariable(name) && !known.has(name))
    .map((name) => `The variable ${name} ${unknown(name.slice(14), nameOfVariable)}`);
  return { chosen, problems, warnings };
}

function givenIn(source: Source, setting: Setting, everything: Everything): Given | undefined {
  const { flags, variables, file, folder } = everything;
  const name = calledIn(setting, source);
  switch (source) {
    case "flag": {
      const given = flags[setting.name];
      // A switch that is off was given by its opposite.
      const origin = given === false ? name.replace("--", "--no-") : name;
      return given === undefined ? undefined : { setting, given, origin, folder };
    }
    case "variable": {
      const given = variables[name];
      return given === undefined || given === ""
        ? undefined
        : { setting, given, origin: name, folder };
    }
    case "file": {
      if (file === null || !Object.hasOwn(file.values, name)) return undefined;
      const given = file.values[name];
      const origin = `"${name}" in ${file.name}`;
      return given === null ? undefined : { setting, given, origin, folder: file.folder };
    }
  }
}

/** Where it belongs, said of a setting that was given where it does not. */
function elsewhere(setting: Setting): string {
  const places = SOURCES.filter((source) => comesFrom(setting, source)).map((source) =>
    source === "file" ? "the config file" : calledIn(setting, source)
  );
  const file = SETTINGS.find(({ name }) => name === `${setting.name}-file`);
  if (file !== undefined) places.push(calledIn(file, "flag"));
  return `${places.join(" or ")} instead`;
}

function nameOfVariable(setting: Setting): string {
  return calledIn(setting, "variable");
}

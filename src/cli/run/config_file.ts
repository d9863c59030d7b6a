import { basename, dirname, resolve } from "node:path";
import { LineCounter, parseDocument, type YAMLError } from "yaml";
import { isObject } from "../../options/validate.ts";
import { SettingsError } from "./problems.ts";
import { contents, Refused } from "./readers.ts";

/** A config file. */
export interface ConfigFile {
  /** What messages call it. */
  readonly name: string;
  /** Where it lies; paths in it are relative to this. */
  readonly folder: string;
  /** What it sets. */
  readonly values: Readonly<Record<string, unknown>>;
}

/**
 * Reads a config file, YAML or JSON.
 *
 * @param path Its path.
 * @param folder What the path is relative to.
 * @param origin Who has named it.
 * @returns What it sets.
 * @throws {SettingsError} If it cannot be read. Nothing of what is in it is ever said, as that may be a secret.
 */
export async function readConfigFile(
  path: string,
  folder: string,
  origin: string,
): Promise<ConfigFile> {
  const refuse = (expected: string): never => {
    throw new SettingsError([
      `config is ${JSON.stringify(path)} (${origin}), expected ${expected}`,
    ]);
  };
  let text: string;
  try {
    text = await contents(path, folder);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refuse(error.message);
  }
  // JSON is YAML.
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) return refuse(`YAML or JSON; ${placeOf(error, counter)}`);
  let values: unknown;
  try {
    values = document.toJS();
  } catch {
    return refuse("YAML without aliases that grow without end");
  }
  // An empty file sets nothing.
  values ??= {};
  if (!isObject(values)) return refuse("settings, as `name: value`");
  return { name: basename(path), folder: dirname(resolve(folder, path)), values };
}

/** Where it is wrong, and how; the error's message would quote the text. */
function placeOf({ code, pos }: YAMLError, counter: LineCounter): string {
  const { line, col } = counter.linePos(pos[0]);
  return `line ${line}, column ${col}: ${code.toLowerCase().replaceAll("_", " ")}`;
}

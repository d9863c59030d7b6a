/** How settings are read: text of the command line or the environment, or a value of the config file. */

import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { errorText } from "../../threads/error_text.ts";

/**
 * Makes of what was given what the option takes. What it cannot make anything of it leaves as it is, so that
 * whoever checks the option says what is allowed; what nobody checks it refuses.
 *
 * @param given Text, or what the config file has.
 * @param folder What paths are relative to.
 * @returns The option's value.
 * @throws {Refused} If it is wrong.
 */
export type Reader = (given: unknown, folder: string) => unknown;

/** Thrown by a reader; its message says what is allowed. */
export class Refused extends Error {}

/** Text as it is. */
export const asText: Reader = (given) => given;

/** Several names: `a,b` or a list. */
export const asList: Reader = (given) => {
  if (Array.isArray(given)) return given.flatMap((item) => asList(item, "") as unknown[]);
  return typeof given === "string" ? given.split(",").map((item) => item.trim()) : [given];
};

/** Yes or no. */
export const asSwitch: Reader = (given) => {
  if (typeof given === "boolean") return given;
  const word = typeof given === "string" ? given.toLowerCase() : "";
  if (["true", "yes", "on", "1"].includes(word)) return true;
  if (["false", "no", "off", "0"].includes(word)) return false;
  throw new Refused("true or false");
};

/** A number. */
export const asNumber: Reader = (given) =>
  typeof given === "string" && /^-?\d+(?:\.\d+)?$/.test(given.trim()) ? Number(given) : given;

/** A number, or the word for no limit. */
export const asLimit: Reader = (given, folder) =>
  given === UNLIMITED ? null : asNumber(given, folder);

/** What stands for "no limit". */
const UNLIMITED = "unlimited";

const TIMES: Readonly<Record<string, number>> = {
  "": 1,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds, or a number with its unit: `30s`. */
export const asTime: Reader = (given) => withUnit(given, TIMES);

/** The same, or the word for no limit. */
export const asTimeLimit: Reader = (given) => given === UNLIMITED ? null : withUnit(given, TIMES);

const SIZES: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kib: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
};

/** Bytes, or a number with its unit: `16MiB`. */
export const asSize: Reader = (given) => withUnit(given, SIZES);

/** `each`, `continuous`, or a time. */
export const asCommit: Reader = (given, folder) => {
  const ms = asTime(given, folder);
  return typeof ms === "number" ? { intervalMs: ms } : ms;
};

/** JSON, or from the config file an object. */
export const asJson: Reader = (given) => {
  if (typeof given !== "string") return given;
  try {
    return JSON.parse(given);
  } catch {
    // No cause: its message quotes what may be a secret.
    throw new Refused("an object as JSON");
  }
};

/** A module: the path of a file, or a URL. */
export const asModule: Reader = async (given, folder) => {
  const url = urlOf(given, folder);
  if (url === null) throw new Refused("the path of a module, or its URL");
  if (url.protocol === "file:" && !await isFile(url)) {
    throw new Refused(
      `a module that is there; no file is at ${JSON.stringify(pathOf(url))}`,
    );
  }
  return url;
};

/** A Kafka client of the library's, or the module of another. */
export const asDriver: Reader = (given, folder) =>
  given === "kafkajs" || given === "platformatic" ? given : asModule(given, folder);

/** A file of certificates or a key, as text. */
export const asPemFile: Reader = async (given, folder) => {
  const text = await contents(given, folder);
  if (!text.includes("-----BEGIN ")) throw new Refused("a file of PEM text (-----BEGIN …)");
  return text;
};

/** A file of one line that is a secret, which is read now. */
export const asSecretFile: Reader = (given, folder) => secretIn(given, folder);

/** The same, which is read at each call, as whoever writes it replaces it in time. */
export const asTokenFile: Reader = async (given, folder) => {
  await secretIn(given, folder);
  return async () => {
    try {
      return await secretIn(given, folder);
    } catch (error) {
      throw new Error(`Cannot read a token: expected ${errorText(error)}`);
    }
  };
};

/**
 * Reads a text file that somebody has named.
 *
 * @param given Its path.
 * @param folder What the path is relative to.
 * @returns What it has in it.
 * @throws {Refused} If it cannot be read.
 */
export async function contents(given: unknown, folder: string): Promise<string> {
  if (typeof given !== "string" || given === "") throw new Refused("the path of a file");
  try {
    return await readFile(resolve(folder, given), "utf8");
  } catch (error) {
    const why = WHY[(error as { code?: string }).code ?? ""] ?? "it cannot be read";
    throw new Refused(`a file that can be read; ${why}: ${JSON.stringify(resolve(folder, given))}`);
  }
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is none",
  EISDIR: "it is a folder",
  EACCES: "it may not be read",
  EPERM: "it may not be read",
};

async function secretIn(given: unknown, folder: string): Promise<string> {
  // Editors end a file with a line break, and so does echo.
  const secret = (await contents(given, folder)).replace(/\r?\n$/, "");
  if (secret === "") throw new Refused("a file with something in it");
  return secret;
}

function withUnit(given: unknown, units: Readonly<Record<string, number>>): unknown {
  if (typeof given !== "string") return given;
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(given.trim()) ?? [];
  const word = unit?.toLowerCase();
  if (word === undefined || !Object.hasOwn(units, word)) return given;
  return Number(digits) * units[word]!;
}

function urlOf(given: unknown, folder: string): URL | null {
  if (typeof given !== "string" || given.trim() === "") return null;
  // One letter and a colon is a drive of Windows.
  if (!/^[a-z][a-z\d+.-]+:/i.test(given)) return pathToFileURL(resolve(folder, given));
  return URL.canParse(given) ? new URL(given) : null;
}

function pathOf(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch {
    return url.href; // Of another host, say.
  }
}

async function isFile(url: URL): Promise<boolean> {
  try {
    return (await stat(url)).isFile();
  } catch {
    return false;
  }
}

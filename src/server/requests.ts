/** What requests may ask for. */

import * as v from "valibot";

/** Most characters of a value that are told back. */
const MOST_CHARACTERS = 80;

/** What is wrong with a request, and what would be right. */
export interface RequestError {
  /** The status of the answer. */
  status: 400 | 404;
  /** What is told. */
  error: {
    /** A sentence. */
    message: string;
    /** What is wrong. */
    parameter: string;
    /** What it was, shortened. */
    value: string;
    /** What is allowed. */
    allowed: readonly string[];
  };
}

/** What was asked for, or what is wrong with that. */
export type Asked = { consumer: string | null } | RequestError;

/** Checks requests against the names of the consumers there are. */
export class RequestChecks {
  readonly #names: readonly string[];
  readonly #query;
  readonly #name;

  /** @param names Names of the consumers. */
  constructor(names: readonly string[]) {
    this.#names = names;
    this.#name = v.picklist(names);
    this.#query = v.pipe(
      v.array(v.tuple([v.picklist(["consumer"]), v.string()])),
      v.maxLength(1),
      v.array(v.tuple([v.literal("consumer"), this.#name])),
    );
  }

  /**
   * Checks the query parameters of an address: at most one, `consumer`.
   *
   * @param url The address of the request.
   * @returns The consumer that is meant, or null for all; or what is wrong.
   */
  query(url: string): Asked {
    const parameters = [...new URL(url).searchParams];
    const result = v.safeParse(this.#query, parameters, { abortEarly: true });
    if (result.success) return { consumer: result.output[0]?.[1] ?? null };
    const [place, part] = result.issues[0].path?.map(({ key }) => key) ?? [];
    if (place === undefined) {
      const value = `${parameters.length} times`;
      return wrong(400, "The parameter may be there once", "consumer", value, this.#names);
    }
    const [parameter = "", value = ""] = parameters[Number(place)] ?? [];
    return part === 0
      ? wrong(400, "There is no such parameter", shorten(parameter), value, ["consumer"])
      : this.#noSuchConsumer(value);
  }

  /**
   * Checks a name that is part of an address.
   *
   * @param name The name.
   * @returns The consumer that is meant, or what is wrong.
   */
  path(name: string): Asked {
    const result = v.safeParse(this.#name, name);
    return result.success ? { consumer: result.output } : this.#noSuchConsumer(name);
  }

  #noSuchConsumer(name: string): RequestError {
    return wrong(404, "There is no such consumer", "consumer", name, this.#names);
  }
}

/** Says what is wrong. */
export function wrong(
  status: RequestError["status"],
  message: string,
  parameter: string,
  value: string,
  allowed: readonly string[],
): RequestError {
  return { status, error: { message, parameter, value: shorten(value), allowed } };
}

function shorten(text: string): string {
  return text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text;
}

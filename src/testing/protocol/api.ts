/**
 * What an API of Kafka's protocol is made of, and the frames that carry its messages.
 *
 * @module
 */
import type { Codec } from "./codec.ts";

/** One API: its key, its versions, its two messages. */
export interface Api<Request, Response, ResponseInput = Response> {
  /** The API key of the protocol guide. */
  readonly key: number;
  /** The name in the protocol guide, such as "JoinGroup". */
  readonly name: string;
  /** The oldest version spoken here. */
  readonly minVersion: number;
  /** The newest version spoken here. */
  readonly maxVersion: number;
  /** The oldest version that ApiVersions offers, if that is not `minVersion`. */
  readonly offeredSince?: number;
  /** The first version with compact types and tagged fields (KIP-482); Infinity if there is none. */
  readonly flexibleSince: number;
  readonly request: Codec<Request, never>;
  readonly response: Codec<Response, ResponseInput>;
  /**
   * Makes the response that a broker gives when all that is asked for fails with one error: the
   * code stands wherever this message can carry it.
   */
  readonly failure: (request: Request, errorCode: number) => ResponseInput;
}

/**
 * Makes an API; its types are those of its codecs.
 *
 * @param api All of it.
 * @returns The same.
 */
export function defineApi<RequestOut, RequestIn, ResponseOut, ResponseIn>(
  api: Omit<Api<RequestOut, ResponseOut, ResponseIn>, "request" | "response" | "failure"> & {
    readonly request: Codec<RequestOut, RequestIn>;
    readonly response: Codec<ResponseOut, ResponseIn>;
    readonly failure: (request: RequestOut, errorCode: number) => NoInfer<ResponseIn>;
  },
): Api<RequestOut, ResponseOut, ResponseIn> {
  return api as Api<RequestOut, ResponseOut, ResponseIn>;
}

/** An API of which nobody needs to know the messages' types. */
// deno-lint-ignore no-explicit-any
export type AnyApi = Api<any, any, any>;

/** The request message of an API. */
export type RequestOf<A> = A extends { request: Codec<infer Request, never> } ? Request : never;
/** The response message of an API, as it is given to be written. */
export type ResponseOf<A> = A extends { response: Codec<unknown, infer Input> } ? Input : never;

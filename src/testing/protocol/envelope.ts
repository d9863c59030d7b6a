/**
 * The frames that carry requests and responses, without any socket.
 *
 * Headers by KIP-482: a flexible request has header version 2, others 1; a flexible response has
 * header version 1, others 0, and ApiVersions always 0, for its client may not know what is spoken
 * here (KIP-511).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { Reader, Writer } from "@platformatic/kafka";
import type { AnyApi, Api } from "./api.ts";
import { int16, int32, MalformedError, nullableString, readTagged, type Wire } from "./codec.ts";
import { apiByKey } from "./registry.ts";

/** A frame that was understood. */
export interface UnderstoodRequest {
  readonly kind: "request";
  readonly api: AnyApi;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** The message: a `RequestOf<typeof api>`. */
  // deno-lint-ignore no-explicit-any
  readonly body: any;
}

/**
 * A frame for an API that is spoken here, but not in this version. ApiVersions is answered in
 * version 0 with UNSUPPORTED_VERSION and the list of what is spoken; others end the connection.
 */
export interface UnsupportedVersion {
  readonly kind: "unsupported version";
  readonly api: AnyApi;
  readonly version: number;
  readonly correlationId: number;
}

/** A frame for an API that is not spoken here. */
export interface UnknownApi {
  readonly kind: "unknown api";
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
}

/** What a frame can be. */
export type ReceivedRequest = UnderstoodRequest | UnsupportedVersion | UnknownApi;

/**
 * Reads a request.
 *
 * @param frame The frame without its length prefix. Bytes in the result are views of it.
 * @returns What it is.
 * @throws {MalformedError} If its bytes are not a request, whatever they are.
 */
export function readRequest(frame: Buffer): ReceivedRequest {
  try {
    return read(frame);
  } catch (cause) {
    if (cause instanceof MalformedError) throw cause;
    throw new MalformedError(`The request cannot be read: ${String(cause)}`, { cause });
  }
}

function read(frame: Buffer): ReceivedRequest {
  const reader = Reader.from(frame);
  const key = int16.read(reader, HEADER);
  const version = int16.read(reader, HEADER);
  const correlationId = int32.read(reader, HEADER);
  const api = apiByKey(key);
  if (api === undefined) return { kind: "unknown api", key, version, correlationId };
  if (version < api.minVersion || version > api.maxVersion) {
    return { kind: "unsupported version", api, version, correlationId };
  }
  // The client id is as it was before KIP-482 in header version 2 too.
  const clientId = nullableString.read(reader, HEADER);
  const wire = { version, flexible: version >= api.flexibleSince };
  if (wire.flexible) readTagged(reader);
  const body = api.request.read(reader, wire);
  if (reader.remaining > 0 && !isSlipOfLibrdkafka(api.key, version, body, reader.remaining)) {
    throw new MalformedError(
      `${reader.remaining} bytes follow the ${api.name} request, version ${version}`,
    );
  }
  return { kind: "request", api, version, correlationId, clientId, body };
}

/**
 * librdkafka (2.16) asks for all topics, from version 9 of Metadata on, with an array length of four
 * bytes where the protocol has one. Apache Kafka takes the first for the length, the next ones for
 * what comes after it, and never looks at what is left; so that works, and clients rely on it.
 */
function isSlipOfLibrdkafka(
  key: number,
  version: number,
  body: unknown,
  remaining: number,
): boolean {
  return key === METADATA && version >= 9 && remaining === 3 &&
    (body as { topics: unknown }).topics === null;
}

/**
 * Writes a response.
 *
 * @param api Its API.
 * @param version The request's version.
 * @param correlationId The request's correlation id.
 * @param response The message.
 * @returns The frame with its length prefix, in pieces to be sent in this order. Large bytes, such
 * as records, are the given ones, not copies.
 */
export function writeResponse<Response, ResponseInput>(
  // deno-lint-ignore no-explicit-any
  api: Api<any, Response, ResponseInput>,
  version: number,
  correlationId: number,
  response: NoInfer<ResponseInput>,
): Buffer[] {
  const wire = { version, flexible: version >= api.flexibleSince };
  const writer = Writer.create();
  int32.write(writer, correlationId, HEADER);
  if (wire.flexible && api.key !== API_VERSIONS) writer.appendUnsignedVarInt(0);
  api.response.write(writer, response, wire);
  writer.prependLength();
  return joinSmall(writer.buffers);
}

/** Nothing in a header is as KIP-482 has it, save its tagged fields. */
const HEADER: Wire = { version: 0, flexible: false };
const METADATA = 3;
const API_VERSIONS = 18;
/** Below this size, a copy costs less than one more piece to send. */
const SMALL_BYTES = 4096;

/** The writer makes a buffer for each number; a socket is better off with few. */
function joinSmall(buffers: readonly Buffer[]): Buffer[] {
  const joined: Buffer[] = [];
  let small: Buffer[] = [];
  const flush = () => {
    if (small.length > 0) joined.push(Buffer.concat(small));
    small = [];
  };
  for (const buffer of buffers) {
    if (buffer.length < SMALL_BYTES) {
      small.push(buffer);
    } else {
      flush();
      joined.push(buffer);
    }
  }
  flush();
  return joined;
}

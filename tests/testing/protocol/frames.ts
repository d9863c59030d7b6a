// The client's side of the protocol, for tests: requests written and responses read by the broker's
// own descriptions.
import { Buffer } from "node:buffer";
import { Reader, Writer } from "@platformatic/kafka";
import type { AnyApi } from "../../../src/testing/protocol/api.ts";
import {
  type Codec,
  int16,
  int32,
  nullableString,
  readTagged,
} from "../../../src/testing/protocol/codec.ts";
import { APIS } from "../../../src/testing/protocol/registry.ts";

const HEADER = { version: 0, flexible: false };

export const ALL: readonly AnyApi[] = Object.values(APIS);

/** Every API in every version. */
export function everyVersion(): { api: AnyApi; version: number; title: string }[] {
  return ALL.flatMap((api) =>
    versionsOf(api).map((version) => ({ api, version, title: `${api.name} ${version}` }))
  );
}

export function versionsOf({ minVersion, maxVersion }: AnyApi): number[] {
  return Array.from({ length: maxVersion - minVersion + 1 }, (_, index) => minVersion + index);
}

/** A request's header and body, without length prefix. */
export function requestFrame(
  api: AnyApi,
  version: number,
  body: Buffer,
  { correlationId = 7, clientId = "a client" as string | null } = {},
): Buffer {
  const writer = Writer.create();
  int16.write(writer, api.key, HEADER);
  int16.write(writer, version, HEADER);
  int32.write(writer, correlationId, HEADER);
  nullableString.write(writer, clientId, HEADER);
  if (version >= api.flexibleSince) writer.appendUnsignedVarInt(0);
  return Buffer.concat([writer.buffer, body]);
}

/** A request's body by the broker's own description. */
export function requestBody(api: AnyApi, version: number, message: unknown): Buffer {
  const writer = Writer.create();
  const codec = api.request as Codec<unknown, unknown>;
  codec.write(writer, message, { version, flexible: version >= api.flexibleSince });
  return writer.buffer;
}

/** A response's body, of what `writeResponse` gave; the rest of the frame must be right. */
export function responseBody(
  api: AnyApi,
  version: number,
  pieces: readonly Buffer[],
  correlationId: number,
): Buffer {
  const frame = Buffer.concat(pieces);
  const reader = Reader.from(frame);
  const length = reader.readInt32();
  if (length !== frame.length - 4) throw new Error(`${length} is not the frame's length`);
  if (reader.readInt32() !== correlationId) throw new Error("That is not the correlation id");
  if (version >= api.flexibleSince && api.name !== "ApiVersions") readTagged(reader);
  return frame.subarray(reader.position);
}

/** A response, read by the broker's own description to its last byte. */
// deno-lint-ignore no-explicit-any
export function readResponse(api: AnyApi, version: number, body: Buffer): any {
  const reader = Reader.from(body);
  const response = api.response.read(reader, { version, flexible: version >= api.flexibleSince });
  if (reader.remaining > 0) throw new Error(`${reader.remaining} bytes are left`);
  return response;
}

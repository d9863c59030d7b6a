/**
 * Kafka's messages as data: a message is described once, field by field with the versions that have
 * it, and is read and written by that description.
 *
 * The primitive types are those of the protocol guide (https://kafka.apache.org/protocol#protocol_types),
 * the rules about versions, compact encodings and tagged fields those of KIP-482. Bytes are read and
 * written by `@platformatic/kafka`.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Reader, Writer } from "@platformatic/kafka";

/** In which version a message is on the wire, and whether that one is "flexible" (KIP-482). */
export interface Wire {
  readonly version: number;
  readonly flexible: boolean;
}

/** Reads and writes one type. */
export interface Codec<Out, In = Out> {
  /** @throws {MalformedError} If the bytes are not of this type. */
  read(reader: Reader, wire: Wire): Out;
  write(writer: Writer, value: In, wire: Wire): void;
  /** The type itself, for those who need to know it rather than to read or write it. */
  readonly shape: Shape;
}

/** What a type is. */
export interface Shape {
  readonly type: Primitive | "string" | "bytes" | "pieces" | "array" | "struct";
  /** The first version in which it may be null; undefined if it never may. */
  readonly nullableSince?: number;
  /** What an array is of. */
  readonly items?: Shape;
  /** What a structure is made of. */
  readonly fields?: Readonly<Record<string, { readonly shape: Shape } & Partial<Presence>>>;
}

/** The types of one fixed size. */
export type Primitive = "bool" | "int8" | "int16" | "int32" | "int64" | "uuid";

/** In which versions a field is on the wire, and how. */
export interface Presence {
  readonly since: number;
  readonly until: number;
  readonly tag: number | undefined;
  /** Its value where it is not on the wire. */
  readonly absent: unknown;
}

/** What a codec reads. */
export type Output<C> = C extends Codec<infer Out, never> ? Out : never;
/** What a codec writes. */
export type Input<C> = C extends { write(writer: Writer, value: infer In, wire: Wire): void } ? In
  : never;

/** Bytes that are not what they should be. */
export class MalformedError extends Error {
  override readonly name = "MalformedError";
}

/** A field that not every version has, or that is tagged. */
export interface Field<Out, In = Out> extends Codec<Out, In>, Presence {
  readonly absent: Out;
}

/** The UUID that stands for none. */
export const ZERO_UUID = "00000000-0000-0000-0000-000000000000";
/** BYTES of which there are none. */
export const NO_BYTES: Buffer = Buffer.alloc(0);

type Fields = Record<string, Codec<unknown, never>>;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly absent: unknown } ? K : never;
}[keyof F];

/** What {@linkcode struct} reads. */
export type StructOutput<F extends Fields> = { [K in keyof F]: Output<F[K]> };
/** What {@linkcode struct} writes: fields with a value for their absence may be left out. */
export type StructInput<F extends Fields> =
  & { [K in Exclude<keyof F, OptionalKeys<F>>]: Input<F[K]> }
  & { [K in OptionalKeys<F>]?: Input<F[K]> };

function primitive<T>(
  type: Primitive,
  size: number,
  read: (reader: Reader) => T,
  write: (writer: Writer, value: T) => void,
): Codec<T> {
  return {
    read(reader) {
      need(reader, size);
      return read(reader);
    },
    write,
    shape: { type },
  };
}

/** BOOLEAN */
export const bool: Codec<boolean> = primitive(
  "bool",
  1,
  // As Kafka does: all but 0 is true.
  (reader) => reader.readInt8() !== 0,
  (writer, value) => writer.appendBoolean(value),
);
/** INT8 */
export const int8: Codec<number> = primitive(
  "int8",
  1,
  (reader) => reader.readInt8(),
  (writer, value) => writer.appendInt8(value),
);
/** INT16 */
export const int16: Codec<number> = primitive(
  "int16",
  2,
  (reader) => reader.readInt16(),
  (writer, value) => writer.appendInt16(value),
);
/** INT32 */
export const int32: Codec<number> = primitive(
  "int32",
  4,
  (reader) => reader.readInt32(),
  (writer, value) => writer.appendInt32(value),
);
/** INT64, as a number: offsets, times and producer ids never reach 2^53 here. */
export const int64: Codec<number> = primitive(
  "int64",
  8,
  (reader) => Number(reader.readInt64()),
  (writer, value) => writer.appendInt64(BigInt(value)),
);
/** UUID, as lower-case text with hyphens. */
export const uuid: Codec<string> = primitive(
  "uuid",
  16,
  (reader) => reader.readUUID(),
  (writer, value) => writer.appendUUID(value),
);

/** STRING, or COMPACT_STRING where the version is flexible. */
export const string: Codec<string> = {
  read: (reader, wire) => given(nullableString.read(reader, wire), "string"),
  write: (writer, value, wire) => void writer.appendString(value, wire.flexible),
  shape: { type: "string" },
};

/** NULLABLE_STRING, or COMPACT_NULLABLE_STRING. */
export const nullableString: Codec<string | null> = {
  read(reader, { flexible }) {
    const length = readLength(reader, flexible, "string");
    if (length === null) return null;
    const start = reader.position;
    reader.skip(length);
    return reader.buffer.toString("utf-8", start, start + length);
  },
  write: (writer, value, { flexible }) => void writer.appendString(value, flexible),
  shape: { type: "string", nullableSince: 0 },
};

/** BYTES, or COMPACT_BYTES: a view of the request, not a copy. */
export const bytes: Codec<Buffer> = {
  read: (reader, wire) => given(nullableBytes.read(reader, wire), "bytes"),
  write: (writer, value, { flexible }) => void writer.appendBytes(value, flexible),
  shape: { type: "bytes" },
};

/** NULLABLE_BYTES, COMPACT_NULLABLE_BYTES, and RECORDS: a view of the request, not a copy. */
export const nullableBytes: Codec<Buffer | null> = {
  read(reader, { flexible }) {
    const length = readLength(reader, flexible, "bytes");
    if (length === null) return null;
    const start = reader.position;
    reader.skip(length);
    return reader.buffer.slice(start, start + length);
  },
  write: (writer, value, { flexible }) => void writer.appendBytes(value, flexible),
  shape: { type: "bytes", nullableSince: 0 },
};

/**
 * Bytes to send, in pieces that are not joined: RECORDS of a fetch response. Reading gives one piece.
 */
export const pieces: Codec<readonly Buffer[] | null> = {
  read(reader, wire) {
    const whole = nullableBytes.read(reader, wire);
    return whole === null ? null : [whole];
  },
  write(writer, value, { flexible }) {
    if (value === null) return void writer.appendBytes(null, flexible);
    const length = value.reduce((sum, piece) => sum + piece.length, 0);
    if (flexible) writer.appendUnsignedVarInt(length + 1);
    else writer.appendInt32(length);
    // Empty ones are left out: they break the library's reading by position.
    for (const piece of value) if (piece.length > 0) writer.append(piece);
  },
  shape: { type: "pieces", nullableSince: 0 },
};

/** ARRAY, or COMPACT_ARRAY. */
export function array<Out, In>(of: Codec<Out, In>): Codec<Out[], readonly In[]> {
  const nullable = nullableArray(of);
  return {
    read: (reader, wire) => given(nullable.read(reader, wire), "array"),
    write: nullable.write,
    shape: { type: "array", items: of.shape },
  };
}

/** ARRAY or COMPACT_ARRAY that may be null. */
export function nullableArray<Out, In>(
  of: Codec<Out, In>,
): Codec<Out[] | null, readonly In[] | null> {
  return {
    read(reader, wire) {
      const length = readLength(reader, wire.flexible, "array");
      if (length === null) return null;
      const items: Out[] = [];
      for (let index = 0; index < length; index++) items.push(of.read(reader, wire));
      return items;
    },
    write(writer, value, wire) {
      if (wire.flexible) writer.appendUnsignedVarInt(value === null ? 0 : value.length + 1);
      else writer.appendInt32(value === null ? -1 : value.length);
      for (const item of value ?? []) of.write(writer, item, wire);
    },
    shape: { type: "array", nullableSince: 0, items: of.shape },
  };
}

/**
 * What may be null only from a version on.
 *
 * @param since The first version in which null may be on the wire.
 * @param codec Reads and writes null too.
 * @param instead What is written in place of null in the versions before.
 */
export function nullableSince<T, In>(
  since: number,
  codec: Codec<T | null, In | null>,
  instead: In,
): Codec<T | null, In | null> {
  return {
    read(reader, wire) {
      const value = codec.read(reader, wire);
      return wire.version < since ? given(value, "a value") : value;
    },
    write(writer, value, wire) {
      codec.write(writer, value === null && wire.version < since ? instead : value, wire);
    },
    shape: { ...codec.shape, nullableSince: since },
  };
}

/** The codec of a tagged field whose absence is null; null itself has no bytes. */
export function orNull<Out, In>(codec: Codec<Out, In>): Codec<Out | null, In | null> {
  return {
    read: codec.read,
    write(writer, value, wire) {
      if (value !== null) codec.write(writer, value, wire);
    },
    shape: { ...codec.shape, nullableSince: 0 },
  };
}

/** Which versions have a field, and what it is in the others. */
export interface FieldOptions<T> {
  /** The first version with it; default 0. */
  since?: number;
  /** The last version with it; default: there is none. */
  until?: number;
  /** Its tag, if it is a tagged field. */
  tag?: number;
  /** Its value where it is not on the wire; a tagged field with this value is not written. */
  absent: T;
}

/** A field that not every version has, that is tagged, or that may be left out when writing. */
export function field<Out, In>(
  codec: Codec<Out, In>,
  { since = 0, until = Infinity, tag, absent }: FieldOptions<Out & In>,
): Field<Out, In> {
  // Every message without the field has this one array.
  if (Array.isArray(absent)) Object.freeze(absent);
  return { read: codec.read, write: codec.write, shape: codec.shape, since, until, tag, absent };
}

/** A structure: its fields in this order, then the tagged ones where the version is flexible. */
export function struct<F extends Fields>(
  fields: F,
): Codec<StructOutput<F>, StructInput<F>> {
  type AnyField = Codec<unknown> & Partial<Field<unknown>>;
  const all = fields as unknown as Record<string, AnyField>;
  const plain = Object.entries(all).filter(([, { tag }]) => tag === undefined);
  const tagged = Object.entries(all).filter(([, { tag }]) => tag !== undefined)
    .sort(([, a], [, b]) => a.tag! - b.tag!);
  return {
    read(reader, wire) {
      const value: Record<string, unknown> = {};
      for (const [name, codec] of plain) {
        value[name] = inVersion(codec, wire.version) ? codec.read(reader, wire) : codec.absent;
      }
      for (const [name, { absent }] of tagged) value[name] = absent;
      if (wire.flexible) {
        readTagged(reader, (tag) => {
          const found = tagged.find(([, codec]) =>
            codec.tag === tag && inVersion(codec, wire.version)
          );
          if (found === undefined) return false;
          value[found[0]] = found[1].read(reader, wire);
          return true;
        });
      }
      return value as StructOutput<F>;
    },
    write(writer, value, wire) {
      const given = value as Record<string, unknown>;
      for (const [name, codec] of plain) {
        if (!inVersion(codec, wire.version)) continue;
        codec.write(writer, given[name] === undefined ? codec.absent : given[name], wire);
      }
      if (!wire.flexible) return;
      const present = tagged.filter(([name, codec]) =>
        inVersion(codec, wire.version) && !isAbsent(given[name], codec.absent)
      );
      writer.appendUnsignedVarInt(present.length);
      for (const [name, codec] of present) {
        const body = createWriter(writer);
        codec.write(body, given[name], wire);
        writer.appendUnsignedVarInt(codec.tag!).appendUnsignedVarInt(body.length).appendFrom(body);
      }
    },
    shape: { type: "struct", fields: all },
  };
}

/**
 * Tells whether a version has a field.
 *
 * @param field What it says of itself; a field that says nothing is in all versions.
 * @param version The version asked for.
 */
export function inVersion(
  { since = 0, until = Infinity }: Partial<Presence>,
  version: number,
): boolean {
  return version >= since && version <= until;
}

function isAbsent(value: unknown, absent: unknown): boolean {
  if (value === undefined || value === absent) return true;
  return Array.isArray(value) && Array.isArray(absent) && value.length === absent.length;
}

/** A writer of the same class: this module has the library's types, not its code. */
function createWriter(like: Writer): Writer {
  return (like.constructor as unknown as { create(): Writer }).create();
}

/**
 * Skips tagged fields, or hands them out.
 *
 * @param reader Stands at their count.
 * @param take Reads the value of a tag and tells that it has.
 */
export function readTagged(reader: Reader, take: (tag: number) => boolean = () => false): void {
  const count = readCount(reader, "tagged fields");
  for (let index = 0; index < count; index++) {
    const tag = readVarInt(reader);
    const length = readCount(reader, "tagged field");
    const end = reader.position + length;
    if (take(tag)) {
      if (reader.position !== end) {
        throw new MalformedError(`Tagged field ${tag} does not have the ${length} bytes it claims`);
      }
    } else {
      reader.position = end;
    }
  }
}

function readLength(reader: Reader, flexible: boolean, what: string): number | null {
  if (flexible) {
    const count = readVarInt(reader);
    if (count === 0) return null;
    return within(reader, count - 1, what);
  }
  const size = what === "string" ? 2 : 4;
  need(reader, size);
  const length = size === 2 ? reader.readInt16() : reader.readInt32();
  if (length === -1) return null;
  return within(reader, length, what);
}

function readCount(reader: Reader, what: string): number {
  return within(reader, readVarInt(reader), what);
}

/** Reads an UNSIGNED_VARINT: at most five bytes. */
function readVarInt(reader: Reader): number {
  for (let index = 0; index < 5; index++) {
    need(reader, index + 1);
    if (reader.peekUnsignedInt8(reader.position + index) < 0x80) return reader.readUnsignedVarInt();
  }
  throw new MalformedError("A varint has more than five bytes");
}

/** Whatever it is that has this length, each piece of it takes at least a byte. */
function within(reader: Reader, length: number, what: string): number {
  if (length < 0 || length > reader.remaining) {
    throw new MalformedError(
      `The length of ${what} is ${length}, where ${reader.remaining} bytes are left`,
    );
  }
  return length;
}

function need(reader: Reader, size: number): void {
  if (reader.remaining < size) {
    throw new MalformedError(`${size} bytes are needed, where ${reader.remaining} are left`);
  }
}

function given<T>(value: T | null, what: string): T {
  if (value === null) throw new MalformedError(`null stands where ${what} is needed`);
  return value;
}

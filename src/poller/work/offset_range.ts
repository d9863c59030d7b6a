/** Half-open range of offsets: `from` belongs to it, `to` does not. */
export type OffsetRange = readonly [from: number, to: number];

/** What turns ranges into the bytes of an offset map, as many of them as there is room for. */
export interface RangeWriter {
  /** How many ranges have been taken. */
  readonly taken: number;
  /** What has been written; valid until the next {@linkcode add}. */
  readonly bytes: Uint8Array;
  /**
   * Takes a range that lies behind the last one and does not touch it.
   *
   * @returns False if there was no room, for this one or for one before.
   */
  add(from: number, to: number): boolean;
}

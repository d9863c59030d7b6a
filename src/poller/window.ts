/** The room that the receiver of messages has granted, and what is taken of it. */

/** Room for messages and bytes. */
export interface Room {
  /** Messages. */
  messages: number;
  /** Bytes. */
  bytes: number;
}

/**
 * What may be handed over before something is finished.
 *
 * What is taken is derived from the batches that are under way: there is no counter that could leak.
 */
export class Window {
  readonly #limit: Room;
  readonly #batches = new Map<number, Room>();
  // A cache of the sum over #batches, so that asking is cheap; both change only in add and remove.
  #taken: Room = { messages: 0, bytes: 0 };

  constructor(limit: Room) {
    this.#limit = limit;
  }

  /** What is left. Bytes may be negative by one message that is larger than all the room. */
  get left(): Room {
    return {
      messages: this.#limit.messages - this.#taken.messages,
      bytes: this.#limit.bytes - this.#taken.bytes,
    };
  }

  /** Whether anything more may be handed over. */
  get open(): boolean {
    return this.#taken.messages < this.#limit.messages && this.#taken.bytes < this.#limit.bytes;
  }

  /** Takes room for a batch. */
  add(id: number, room: Room): void {
    this.#batches.set(id, room);
    this.#taken.messages += room.messages;
    this.#taken.bytes += room.bytes;
  }

  /** Gives a batch's room back; an unknown batch has none. */
  remove(id: number): void {
    const room = this.#batches.get(id);
    if (room === undefined) return;
    this.#batches.delete(id);
    this.#taken.messages -= room.messages;
    this.#taken.bytes -= room.bytes;
  }
}

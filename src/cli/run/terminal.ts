/** What is needed of a stream to be a terminal's. */
export interface TextStream {
  /** Takes text. */
  write(text: string): unknown;
  /** Whether it is a terminal. */
  readonly isTTY?: boolean | undefined;
  /** How many columns the terminal has. */
  readonly columns?: number | undefined;
}

const CLEAR = "\r\x1b[K";

/** A terminal whose last line is drawn again and again, while others scroll above it. */
export class Terminal {
  readonly #stream: TextStream;
  #status = "";

  /**
   * Makes one; it writes nothing yet.
   *
   * @param stream Where it writes to.
   */
  constructor(stream: TextStream) {
    this.#stream = stream;
  }

  /** How many columns there are now. */
  get width(): number {
    // A terminal that does not know, as some of CI's, says 0.
    return this.#stream.columns || 80;
  }

  /**
   * Writes lines that stay.
   *
   * @param text The lines, without the last line break.
   */
  log(text: string): void {
    this.#stream.write(this.#status === "" ? `${text}\n` : `${CLEAR}${text}\n${this.#status}`);
  }

  /**
   * Draws the last line; an empty one removes it.
   *
   * @param line What it says; it fits.
   */
  show(line: string): void {
    if (line === this.#status) return;
    this.#status = line;
    this.#stream.write(CLEAR + line);
  }
}

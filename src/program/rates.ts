/** Messages and bytes per second, over the last few seconds. */

/** How many samples are kept; they come about once a second. */
const SAMPLES = 6;

interface Sample {
  at: number;
  messages: number;
  bytes: number;
}

/** Turns running totals into rates. */
export class Rates {
  #samples: Sample[] = [];

  /** Notes the totals; `at` is in milliseconds on a clock that does not go back. */
  sample(at: number, messages: number, bytes: number): void {
    this.#samples.push({ at, messages, bytes });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** The rates from the oldest sample to these totals; 0 before there is a sample. */
  perSecond(at: number, messages: number, bytes: number): { messages: number; bytes: number } {
    const [first] = this.#samples;
    if (first === undefined || at <= first.at) return { messages: 0, bytes: 0 };
    const seconds = (at - first.at) / 1_000;
    return {
      messages: (messages - first.messages) / seconds,
      bytes: (bytes - first.bytes) / seconds,
    };
  }
}

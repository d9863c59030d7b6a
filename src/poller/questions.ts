/** Questions to the other thread that wait for their answers. */

/** Matches answers to questions by number. */
export class Questions<T> {
  readonly #open = new Map<number, PromiseWithResolvers<T>>();
  #next = 0;

  /**
   * Asks.
   *
   * @param post Sends the question under the number that the answer will carry.
   */
  async ask(post: (id: number) => void): Promise<T> {
    const id = this.#next++;
    const answer = Promise.withResolvers<T>();
    this.#open.set(id, answer);
    post(id);
    try {
      return await answer.promise;
    } finally {
      this.#open.delete(id);
    }
  }

  /** Answers; nobody may be waiting any more. */
  answer(id: number, value: T): void {
    this.#open.get(id)?.resolve(value);
  }

  /** Answers with a failure. */
  fail(id: number, error: Error): void {
    this.#open.get(id)?.reject(error);
  }
}

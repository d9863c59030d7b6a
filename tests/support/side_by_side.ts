import { it } from "#std/testing/bdd";

/** Bun gives a test 5 s if it says nothing else. */
const TIMEOUT_MS = 120_000;

/** Registers one test. */
export type Scenario = (name: string, run: (scope: AsyncDisposableStack) => Promise<void>) => void;

/**
 * Makes tests that mostly wait run side by side, on every runtime: each one is an `it` of its own, and
 * those whose turn has not come begin as soon as there is room.
 *
 * @param width How many run at once.
 * @returns Registers a test, which gets a stack to leave its clean-up on.
 */
export function sideBySide(width: number): Scenario {
  const tests: { run(): Promise<void>; result?: Promise<void> }[] = [];
  /** Whose turn it is. */
  let turn = 0;
  let running = 0;

  const begin = (test: typeof tests[number]) => {
    running++;
    test.result = test.run().finally(() => {
      running--;
      fill();
    });
    // Whoever waits for it hears of a failure; nobody may be waiting yet.
    test.result.catch(() => {});
  };
  const fill = () => {
    // Not all at the first turn: where only some tests are asked for, few others run needlessly.
    for (const test of tests.slice(turn, turn + 2 * width)) {
      if (running < width && test.result === undefined) begin(test);
    }
  };
  return (name, run) => {
    const index = tests.length;
    const test: typeof tests[number] = {
      async run() {
        await using scope = new AsyncDisposableStack();
        await run(scope);
      },
    };
    tests.push(test);
    it(name, { timeout: TIMEOUT_MS }, async () => {
      turn = index;
      fill();
      if (test.result === undefined) begin(test);
      await test.result;
    });
  };
}

import { it } from "#std/testing/bdd";

/** Bun gives a test 5 s if it says nothing else. */
const TIMEOUT_MS = 120_000;

/** Registers one test. */
export type Scenario = (name: string, run: (scope: AsyncDisposableStack) => Promise<void>) => void;

/**
 * Makes tests that mostly wait run side by side, on every runtime: each one is an `it` of its own, and
 * the first to run also starts those that follow it.
 *
 * @param width How many run at once.
 * @returns Registers a test, which gets a stack to leave its clean-up on.
 */
export function sideBySide(width: number): Scenario {
  const tests: (() => Promise<void>)[] = [];
  return (name, run) => {
    const index = tests.length;
    let running: Promise<void> | undefined;
    tests.push(() => {
      running ??= (async () => {
        await using scope = new AsyncDisposableStack();
        await run(scope);
      })();
      // Whoever waits for it hears of a failure; nobody may be waiting yet.
      running.catch(() => {});
      return running;
    });
    it(name, { timeout: TIMEOUT_MS }, async () => {
      for (const test of tests.slice(index, index + width)) void test();
      await tests[index]!();
    });
  };
}

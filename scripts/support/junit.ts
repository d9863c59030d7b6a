/** How many tests there were, and which of them did not pass. */
export interface Tally {
  /** Tests that passed. */
  passed: number;
  /** Names of those that failed. */
  failed: string[];
  /** Names of those that were skipped, with the reason where it is known. */
  skipped: string[];
}

/**
 * Counts the tests of a JUnit report as Deno, Bun and Node write them: a test is what has no tests
 * within it.
 *
 * @param xml The report.
 * @returns The counts.
 */
export function tallyJunit(xml: string): Tally {
  const cases: { name: string; file: string | undefined; content: string }[] = [];
  // Node writes ">" in an attribute as it is.
  const pattern = /<testcase\b((?:[^">]|"[^"]*")*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, attributes = "", content = ""] of xml.matchAll(pattern)) {
    const name = attribute(attributes, "name") ?? "?";
    const file = attribute(attributes, "file") ?? attribute(attributes, "classname");
    cases.push({ name, file: /\btests\/.*_test\.ts$/.exec(file ?? "")?.[0], content });
  }
  // Deno says where the outermost suite of a test is.
  const files = new Map(cases.map(({ name, file }) => [name, file]));
  // Deno lists a suite beside its tests, whose names begin with the suite's.
  const suites = new Set(cases.flatMap(({ name }) => {
    const parts = name.split(" > ");
    return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(" > "));
  }));
  const tally: Tally = { passed: 0, failed: [], skipped: [] };
  for (const { name, file = files.get(name.split(" > ")[0]!), content } of cases) {
    const label = file === undefined ? name : `${name} (${file})`;
    const failure = /<(?:failure|error)\b((?:[^">]|"[^"]*")*)/.exec(content);
    const skip = /<skipped\b((?:[^">]|"[^"]*")*)/.exec(content);
    if (suites.has(name)) {
      // One that failed by itself, in a hook, and not because of its tests.
      const message = failure && attribute(failure[1]!, "message");
      if (failure && !/^\d+ test steps? failed/.test(message ?? "")) tally.failed.push(label);
    } else if (failure) tally.failed.push(label);
    else if (skip) {
      const reason = attribute(skip[1]!, "message");
      tally.skipped.push(reason ? `${label}: ${reason}` : label);
    } else tally.passed++;
  }
  return tally;
}

/**
 * The line that a run ends with.
 *
 * @param tally The counts.
 * @returns `N passed, N failed`, and how many were skipped if any.
 */
export function summary({ passed, failed, skipped }: Tally): string {
  const skips = skipped.length > 0 ? `, ${skipped.length} skipped` : "";
  return `${passed} passed, ${failed.length} failed${skips}`;
}

const ENTITIES: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

function attribute(attributes: string, name: string): string | undefined {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1];
  return value?.replace(
    /&(?:#(\d+)|(\w+));/g,
    (all, code, entity) => code ? String.fromCodePoint(Number(code)) : ENTITIES[entity] ?? all,
  );
}

// A strict reader of Prometheus's text format (version 0.0.4): the tests' second opinion beside
// Prometheus's own parser, and the one that is there where Python is not.
// https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md
import assert from "node:assert/strict";

/** One line with a value. */
export interface ExposedSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** A metric. */
export interface ExposedFamily {
  name: string;
  help: string;
  type: string;
  samples: ExposedSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/y;
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;
const ENDINGS: Record<string, readonly string[]> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
};

/** What a scrape has answered. */
export class Exposition {
  /** Each metric, by its name. */
  readonly families: ReadonlyMap<string, ExposedFamily>;

  /** Reads it; throws an AssertionError at whatever is not as the format has it. */
  constructor(text: string) {
    this.families = read(text);
    for (const family of this.families.values()) check(family);
  }

  /** The sum of a metric's values that have these labels at least, or undefined if there is none. */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    const samples = this.samples(name, labels);
    return samples.length === 0 ? undefined : samples.reduce((sum, { value }) => sum + value, 0);
  }

  /** The samples of this name, for a histogram with its ending, that have these labels at least. */
  samples(name: string, labels: Record<string, string> = {}): ExposedSample[] {
    return [...this.families.values()].flatMap(({ samples }) => samples)
      .filter((sample) => sample.name === name)
      .filter((sample) =>
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
      );
  }
}

function read(text: string): Map<string, ExposedFamily> {
  assert.ok(text.endsWith("\n"), "the last line ends with a line feed");
  const families = new Map<string, ExposedFamily>();
  let family: ExposedFamily | undefined;
  for (const line of text.slice(0, -1).split("\n")) {
    if (line === "") continue;
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === "HELP") {
      assert.match(name!, NAME);
      assert.ok(!families.has(name!), `${name} is there twice, or in two parts`);
      families.set(name!, family = { name: name!, help: unescape(rest!), type: "", samples: [] });
    } else if (keyword === "TYPE") {
      assert.equal(name, family?.name, line);
      assert.equal(family!.type, "", line);
      assert.ok(rest! in ENDINGS, line);
      family!.type = rest!;
    } else {
      assert.ok(!line.startsWith("#"), line);
      assert.ok(family !== undefined && family.type !== "", `${line}: of no metric`);
      family.samples.push(sampleOf(line));
    }
  }
  return families;
}

function sampleOf(line: string): ExposedSample {
  const [, name, labelled, number] = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
  assert.ok(name !== undefined, line);
  assert.match(name, NAME);
  assert.match(number!, NUMBER, line);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (labelled !== undefined && LABEL.lastIndex < labelled.length) {
    const found = LABEL.exec(labelled);
    assert.ok(found !== null, `${line}: labels`);
    const [, label, value] = found;
    assert.ok(!(label! in labels), `${line}: ${label} twice`);
    assert.ok(!label!.startsWith("__"), line);
    labels[label!] = unescape(value!);
  }
  return { name, labels, value: numberOf(number!) };
}

function unescape(text: string): string {
  return text.replace(/\\(["\\n])/g, (_, escaped) => escaped === "n" ? "\n" : escaped);
}

function numberOf(text: string): number {
  return Number(text.replace(/inf/i, "Infinity"));
}

function check({ name, type, samples }: ExposedFamily): void {
  const series = new Set<string>();
  for (const { name: full, labels, value } of samples) {
    assert.ok(
      ENDINGS[type]!.some((ending) => full === name + ending),
      `${full} is none of ${name}`,
    );
    assert.equal("le" in labels, full.endsWith("_bucket") && type === "histogram", full);
    const key = JSON.stringify([full, Object.entries(labels).toSorted()]);
    assert.ok(!series.has(key), `${key} is there twice`);
    series.add(key);
    assert.ok(type === "gauge" || value >= 0, `${key} ${value}`);
  }
  if (type === "histogram") checkHistogram(name, samples);
}

function checkHistogram(name: string, samples: readonly ExposedSample[]): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  for (const [labels, group] of groups) {
    const named = (ending: string) => group.filter((sample) => sample.name === name + ending);
    const [[sum, ...sums], [count, ...counts]] = [named("_sum"), named("_count")];
    assert.ok(sum !== undefined && sums.length === 0, `${name} ${labels}: one sum`);
    assert.ok(count !== undefined && counts.length === 0, `${name} ${labels}: one count`);
    let [bound, below] = [-Infinity, 0];
    for (const { labels: { le }, value } of named("_bucket")) {
      assert.ok(numberOf(le!) > bound, `${name} ${labels}: bounds go up`);
      assert.ok(value >= below, `${name} ${labels}: buckets hold what is below, too`);
      [bound, below] = [numberOf(le!), value];
    }
    assert.equal(bound, Infinity, `${name} ${labels}`);
    assert.equal(below, count.value, `${name} ${labels}`);
  }
}

import { type Spread, spread } from "./summary.ts";
import { table } from "./table.ts";

/** Who takes part in a comparison. */
export interface Contender {
  /** What it is, and how it is set up. */
  name: string;
  /** What it runs in: a runtime, or the language of a peer. */
  runtime: string;
  /**
   * Title of the column that tells how many times as quick each of the others is; not given: it is no
   * measure for others. Where several have the same title, each is the measure in its own runtime.
   */
  measure?: string;
  /** Messages per second that nobody can surpass; not given: nobody knows. */
  ideal?: number;
  /** Why it cannot take part, if so. */
  missing?: string;
}

/** How quick one contender was in one round. */
export interface Timing {
  /** Which round, from 1. */
  round: number;
  /** Who: its place among the contenders. */
  contender: number;
  /** Messages per second. */
  messagesPerSecond: number;
  /** CPU time of the whole process for each message, microseconds. */
  cpuMicroseconds: number;
}

/** All rounds of one contender. */
export interface Standing {
  /** What it is, and how it is set up. */
  name: string;
  /** What it runs in. */
  runtime: string;
  /** Messages per second; NaN if it never took part. */
  messagesPerSecond: Spread;
  /** CPU time of the whole process for each message, microseconds; NaN if it never took part. */
  cpuMicroseconds: Spread;
  /** Messages per second as a fraction of the ideal, where there is one. */
  ofIdeal?: Spread;
  /** How many times as quick as each measure, by the titles of the columns. */
  times: Record<string, Spread>;
  /** Why it did not take part, if so. */
  missing?: string;
}

/**
 * Sets the contenders beside one another.
 *
 * Each ratio is taken pair by pair within a round, and only then its median: what slows the machine
 * down for a while slows both of a pair down.
 *
 * @param contenders Who takes part.
 * @param timings All the rounds of all of them.
 * @returns A row for each, in the same order.
 */
export function compare(contenders: readonly Contender[], timings: readonly Timing[]): Standing[] {
  const of = (contender: number, round?: number): Timing[] =>
    timings.filter((timing) =>
      timing.contender === contender && (round === undefined || timing.round === round)
    );
  return contenders.map(({ name, runtime, ideal, missing, measure: own }, index) => {
    const rates = of(index).map(({ messagesPerSecond }) => messagesPerSecond);
    const times: Record<string, Spread> = {};
    contenders.forEach(({ measure, runtime: theirs }, other) => {
      if (measure === undefined || own !== undefined) return;
      const several = contenders.filter((contender) => contender.measure === measure).length > 1;
      if (several && theirs !== runtime) return;
      times[measure] = spread(
        of(index).flatMap(({ round, messagesPerSecond }) =>
          of(other, round).map((against) => messagesPerSecond / against.messagesPerSecond)
        ),
      );
    });
    return {
      name,
      runtime,
      messagesPerSecond: spread(rates),
      cpuMicroseconds: spread(of(index).map(({ cpuMicroseconds }) => cpuMicroseconds)),
      ...ideal !== undefined && { ofIdeal: spread(rates.map((rate) => rate / ideal)) },
      times,
      ...missing !== undefined && { missing },
    };
  });
}

/**
 * The table of a comparison; below it, why some are missing.
 *
 * @param standings The rows.
 * @param more Further columns: their titles, and the cells of each row.
 * @returns The lines.
 */
export function comparisonTable(
  standings: readonly Standing[],
  more: { head: readonly string[]; cells: (row: number) => readonly string[] } = {
    head: [],
    cells: () => [],
  },
): string {
  // A measure that is missing needs no column.
  const measures = [
    ...new Set(
      standings.flatMap(({ times }) =>
        Object.keys(times).filter((measure) => !Number.isNaN(times[measure]!.median))
      ),
    ),
  ];
  const hasIdeal = standings.some(({ ofIdeal }) => ofIdeal !== undefined);
  const head = [
    ...["contestant", "runtime", "messages/s", "CPU µs each"],
    ...hasIdeal ? ["of the ideal"] : [],
    ...measures,
    ...more.head,
  ];
  const rows = standings.map((standing, row) => [
    standing.name,
    standing.runtime,
    median(standing.messagesPerSecond, 0),
    median(standing.cpuMicroseconds, 1),
    ...hasIdeal ? [withEnds(standing.ofIdeal)] : [],
    ...measures.map((measure) => withEnds(standing.times[measure])),
    ...more.cells(row),
  ]);
  const reasons = new Set(standings.flatMap(({ missing }) => missing ?? []));
  return [
    table(head, rows),
    ...reasons.size > 0 ? [""] : [],
    ...[...reasons].map((reason) => `Without a figure: ${reason}`),
  ].join("\n");
}

/** The median, or a dash for none. */
function median({ median }: Spread, digits: number): string {
  if (Number.isNaN(median)) return "-";
  return median.toLocaleString("en", {
    ...{ minimumFractionDigits: digits, maximumFractionDigits: digits },
  });
}

/** Median, least and greatest, or a dash for none. */
function withEnds(spread: Spread | undefined): string {
  if (spread === undefined || Number.isNaN(spread.median)) return "-";
  const { median, min, max } = spread;
  return `${median.toFixed(2)} (${min.toFixed(2)} to ${max.toFixed(2)})`;
}

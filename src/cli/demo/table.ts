import type { ConsumerStats } from "../../program/stats.ts";

/** What has been sold. */
interface Sold {
  readonly count: number;
  readonly revenue: number;
}

const COLUMNS = {
  time: 7,
  orders: 8,
  "per second": 11,
  "lag by partition": 18,
  "thread answered": 17,
  heartbeats: 11,
  commits: 8,
  revenue: 14,
} as const;

/** The demo's live table. */
export const table = {
  /** The names of its columns. */
  head(): string {
    return row(Object.keys(COLUMNS));
  },

  /**
   * One line.
   *
   * @param stats What the manager does.
   * @param elapsedMs Since the shop has opened.
   * @param sold What has been sold.
   */
  line(stats: ConsumerStats, elapsedMs: number, { count, revenue }: Sold): string {
    const { partitions, thread } = stats;
    const lags = partitions.toSorted((a, b) => a.partition - b.partition)
      .map(({ lag }) => `${lag ?? "-"}`.padStart(4));
    return row([
      `${(elapsedMs / 1_000).toFixed(1)} s`,
      `${count}`,
      `${Math.round(stats.messagesPerSecond)}`,
      lags.join(" "),
      thread.silentMs === null ? "-" : `${thread.silentMs} ms ago`,
      `${stats.heartbeats}`,
      `${stats.commits}`,
      `${revenue.toFixed(2)} EUR`,
    ]);
  },
};

function row(cells: readonly string[]): string {
  const widths = Object.values(COLUMNS);
  return cells.map((cell, index) => cell.padStart(widths[index]!)).join("  ");
}

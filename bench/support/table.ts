import type { Summary } from "./summary.ts";

/**
 * Lays rows out as a Markdown table whose columns are also aligned in a terminal.
 *
 * @param head The titles.
 * @param rows The cells, as many in each row as there are titles.
 * @returns The lines.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length))
  );
  // Figures stand to the right, under one another, and so does a dash for none; the first cells are
  // names.
  const right = head.map((_, column) =>
    rows.every((row) => /^([\d.,]+( |$)|-$)/.test(row[column]!))
  );
  const line = (cells: readonly string[]): string =>
    `| ${
      cells.map((cell, column) =>
        right[column] ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!)
      ).join(" | ")
    } |`;
  const rule = `| ${
    widths.map((width, column) => right[column] ? `${"-".repeat(width - 1)}:` : "-".repeat(width))
      .join(" | ")
  } |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/**
 * The table of a run of the harness.
 *
 * @param summaries The rows.
 * @returns The lines.
 */
export function summaryTable(summaries: readonly Summary[]): string {
  const head = [
    ...["runtime", "bytes", "work", "contestant", "messages/s", "of eachBatch (min to max)"],
    ...["stall max ms", "of it own ms", "stall p99 ms", "CPU s", "peak MiB"],
  ];
  return table(
    head,
    summaries.map((row) => [
      row.runtime,
      `${row.size}`,
      row.work,
      row.contestant,
      Math.round(row.messagesPerSecond.median).toLocaleString("en"),
      `${row.ratio.median.toFixed(2)} (${row.ratio.min.toFixed(2)} to ${row.ratio.max.toFixed(2)})`,
      // The worst of all rounds: what was promised never to happen has no median.
      row.stallMaxMs.max.toFixed(1),
      row.stallOwnMaxMs.max.toFixed(1),
      row.stallP99Ms.median.toFixed(1),
      row.cpuSeconds.median.toFixed(2),
      (row.peakMemoryBytes.median / 2 ** 20).toFixed(0),
    ]),
  );
}

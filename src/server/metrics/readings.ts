/** Values of a metric, of all consumers that are looked after. */

import type { MonitoredStats } from "../../program/monitor.ts";
import {
  CLIENT_LABEL,
  type Distribution,
  type HistogramMetric,
  type Labels,
  type MetricDefinition,
  type NumberMetric,
  type Reading,
} from "./definitions.ts";

/** One line of what a scrape answers. */
export interface Sample {
  /** The metric's name; for a histogram with an ending. */
  metricName?: string;
  /** All labels. */
  labels: Labels;
  /** Its value. */
  value: number;
}

/**
 * Takes the values of a metric from the figures of consumers. Consumers of one name share their labels,
 * so that they are shown together: else there would be two values of one series.
 *
 * @param definition The metric.
 * @param name Its name, as the registry has it now.
 * @param all Figures of each consumer.
 * @returns The samples, no two of which have the same name and labels.
 */
export function samplesOf(
  definition: MetricDefinition,
  name: string,
  all: readonly MonitoredStats[],
): Sample[] {
  if (definition.type !== "histogram") {
    return merge(all, definition, TOGETHER[definition.together])
      .map(([labels, value]) => ({ labels, value }));
  }
  return merge(all, definition, (one, other) => ({
    buckets: one.buckets.map((count, bucket) => count + other.buckets[bucket]!),
    sum: one.sum + other.sum,
  })).flatMap(([labels, distribution]) => histogram(name, definition, labels, distribution));
}

const TOGETHER = {
  sum: (one, other) => one + other,
  max: Math.max,
  min: Math.min,
} as const satisfies Record<NumberMetric["together"], (one: number, other: number) => number>;

function merge<Value>(
  all: readonly MonitoredStats[],
  { read }: { read(stats: MonitoredStats): readonly Reading<Value>[] },
  together: (one: Value, other: Value) => Value,
): Reading<Value>[] {
  const found = new Map<string, Reading<Value>>();
  for (const stats of all) {
    for (const [more, value] of read(stats)) {
      const labels = { [CLIENT_LABEL]: stats.name, ...more };
      const key = JSON.stringify(Object.values(labels));
      const known = found.get(key);
      found.set(key, [labels, known === undefined ? value : together(known[1], value)]);
    }
  }
  return [...found.values()];
}

function histogram(
  name: string,
  { bounds }: HistogramMetric,
  labels: Labels,
  { buckets, sum }: Distribution,
): Sample[] {
  let count = 0;
  const samples: Sample[] = buckets.map((some, bucket) => {
    count += some;
    return {
      metricName: `${name}_bucket`,
      labels: { ...labels, le: bucket < bounds.length ? boundText(bounds[bucket]!) : "+Inf" },
      value: count,
    };
  });
  samples.push({ metricName: `${name}_sum`, labels, value: sum });
  samples.push({ metricName: `${name}_count`, labels, value: count });
  return samples;
}

/** As Baseplate, OpenMetrics and newer versions of Prometheus write it: series go by the text. */
function boundText(bound: number): string {
  return Number.isInteger(bound) ? bound.toFixed(1) : `${bound}`;
}

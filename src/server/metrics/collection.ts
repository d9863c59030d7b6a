/** The metrics of some consumers, as a registry of prom-client takes them. */

import { type MonitoredStats, monitorOf } from "../../program/monitor.ts";
import type { Monitored } from "../monitored.ts";
import { CLIENT_LABEL, type MetricDefinition, METRICS } from "./definitions.ts";
import { type Sample, samplesOf } from "./readings.ts";

/** Longest wait for the answer of a consumer's thread; its figures are those of its last one then. */
const REFRESH_TIMEOUT_MS = 1_000;

/** What prom-client's registry asks of a metric. */
export interface MetricObject {
  name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly Sample[];
}

/**
 * A metric whose values are counted elsewhere. prom-client's own cannot be set to a histogram's counts,
 * nor a counter to its value; a registry only asks for `get()`.
 */
export class CollectedMetric {
  readonly #definition: MetricDefinition;
  readonly #collection: MetricsCollection;
  /** Its name. A registry for OpenMetrics takes the ending of counters off. */
  name: string;
  /** What it means. */
  readonly help: string;
  /** Its type. */
  readonly type: string;
  /** How figures of several processes are put together. */
  readonly aggregator: string;
  /** Names of its labels. */
  readonly labelNames: readonly string[];

  /** Made by `MetricsCollection`. */
  constructor(definition: MetricDefinition, collection: MetricsCollection) {
    this.#definition = definition;
    this.#collection = collection;
    this.name = definition.name;
    this.help = definition.help;
    this.type = definition.type;
    this.aggregator = definition.type === "histogram" ? "sum" : definition.together;
    this.labelNames = [CLIENT_LABEL, ...definition.labels];
  }

  /** Its values now. */
  async get(): Promise<MetricObject> {
    const { name, help, type, aggregator } = this;
    const values = samplesOf(this.#definition, name, await this.#collection.stats());
    return { name, help, type, aggregator, values };
  }

  /** Changes nothing: what has happened has happened. */
  reset(): void {}
}

/** Consumers that are looked after together, and their metrics. */
export class MetricsCollection {
  readonly #consumers = new Set<Monitored>();
  #stats: Promise<MonitoredStats[]> | null = null;
  /** One for each definition. */
  readonly metrics: readonly CollectedMetric[] = METRICS.map((definition) =>
    new CollectedMetric(definition, this)
  );

  /** Looks after these as well; one that is known stays one. */
  add(consumers: readonly Monitored[]): void {
    for (const consumer of consumers) this.#consumers.add(consumer);
  }

  /**
   * Figures of all consumers, fresh from their threads. All who ask before there is an answer share it: a
   * scrape asks once for each metric, and what they show belongs together.
   */
  stats(): Promise<MonitoredStats[]> {
    return this.#stats ??= this.#collect().finally(() => this.#stats = null);
  }

  async #collect(): Promise<MonitoredStats[]> {
    const monitors = Array.from(this.#consumers, monitorOf);
    await Promise.all(monitors.map((monitor) => monitor.refresh(REFRESH_TIMEOUT_MS)));
    return monitors.map((monitor) => presentOf(monitor.stats()));
  }
}

/**
 * What has ended holds nothing any more: its last partitions are another member's by now, whose lag would
 * be counted twice, and nobody waits for its heartbeats.
 */
function presentOf(stats: MonitoredStats): MonitoredStats {
  if (stats.state !== "stopped" && stats.state !== "failed") return stats;
  return {
    ...stats,
    partitions: [],
    group: "none",
    heartbeatAgeMs: null,
    thread: { ...stats.thread, silentMs: null },
  };
}

/** Metrics of consumers, for Prometheus. */

import { KafkaThreadsError } from "../../errors.ts";
import { errorText } from "../../threads/error_text.ts";
import type { Monitored } from "../monitored.ts";
import { MetricsCollection } from "./collection.ts";
import { METRICS } from "./definitions.ts";

/**
 * What is asked of a registry: one of prom-client, of any version that has these.
 *
 * @see {@link https://github.com/siimon/prom-client | prom-client}
 */
export interface MetricsRegistry {
  /** What `metrics()` resolves with, as a media type. */
  readonly contentType: string;
  /** All that it has, as text. */
  metrics(): Promise<string>;
  /** Takes a metric in. */
  registerMetric(metric: unknown): void;
  /** The metric of a name, if there is one. */
  getSingleMetric(name: string): unknown;
}

/** Metrics that can be asked for. */
export interface Metrics {
  /** The media type of what `scrape()` resolves with. */
  readonly contentType: string;
  /** Asks the consumers' threads, for a second at most, and resolves with all metrics as text. */
  scrape(): Promise<string>;
}

/** What each registry of a program has of ours. */
const collections = new WeakMap<object, MetricsCollection>();

/**
 * Makes metrics of consumers.
 *
 * A registry that is given keeps all else that it has, and shows these beside it, also to those who ask
 * the registry itself. It can be given again, with the same consumers or others: they are shown together,
 * each once. Without one there is a registry of their own, never prom-client's global one.
 *
 * Consumers of the same name have the same labels: they are shown as one, with their figures added up.
 *
 * @param consumers Whom to look after.
 * @param registry A registry of prom-client; its module is loaded only if this is not given.
 * @returns The metrics.
 * @throws {KafkaThreadsError} If prom-client cannot be loaded, as on hosts without Node's modules (code
 * `METRICS_UNAVAILABLE`), or if the registry has another metric of the same name (`METRIC_EXISTS`).
 */
export async function createMetrics(
  consumers: readonly Monitored[],
  registry?: MetricsRegistry,
): Promise<Metrics> {
  const target = registry ?? await newRegistry();
  collectionOf(target).add(consumers);
  return {
    get contentType(): string {
      return target.contentType;
    },
    scrape: () => target.metrics(),
  };
}

/** What a registry has of ours; where it has nothing, or has been cleared since, that is put in. */
function collectionOf(registry: MetricsRegistry): MetricsCollection {
  const known = collections.get(registry);
  const named = METRICS.map(({ name }) => registry.getSingleMetric(name));
  if (known !== undefined && known.metrics.every((metric, index) => metric === named[index])) {
    return known;
  }
  const ours = new Set<unknown>(known?.metrics);
  const taken = named.findIndex((metric) => metric !== undefined && !ours.has(metric));
  // Looked at before anything is put in: a registry has all of them or none.
  if (taken !== -1) {
    throw new KafkaThreadsError(
      `Cannot register the metric "${
        METRICS[taken]!.name
      }": the registry has another one of that name`,
      { code: "METRIC_EXISTS" },
    );
  }
  // Some may have been taken out one by one: those that are left go on to show who was there.
  const kept = known !== undefined && named.some((metric) => metric !== undefined);
  const collection = kept ? known : new MetricsCollection();
  for (const metric of collection.metrics) registry.registerMetric(metric);
  collections.set(registry, collection);
  return collection;
}

async function newRegistry(): Promise<MetricsRegistry> {
  let promClient: typeof import("prom-client");
  try {
    // Here and nowhere else, so that all but the metrics works on hosts that cannot load it.
    promClient = await import("prom-client");
  } catch (cause) {
    throw new KafkaThreadsError(
      `Cannot make metrics: prom-client cannot be loaded: ${errorText(cause)}`,
      { code: "METRICS_UNAVAILABLE", cause },
    );
  }
  return new promClient.Registry();
}

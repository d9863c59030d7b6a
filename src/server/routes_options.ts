/** Options of the routes, and of all that serves them. */

import { yesOrNo } from "../options/kafka_options.ts";
import { checked, isObject, maybe, type OptionSchemas, withDefault } from "../options/validate.ts";
import type { MetricsRegistry } from "./metrics/mod.ts";

/** What `healthRoutes` can be told. */
export interface HealthRoutesOptions {
  /** Whether there is `/metrics`; default true. It needs prom-client, which is loaded when it is asked. */
  metrics?: boolean;
  /** A registry of prom-client's that `/metrics` shows, with the consumers' metrics in it. Default: an own one. */
  registry?: MetricsRegistry;
  /**
   * Whether answers carry the messages of errors beside their names and codes; default false, as messages
   * may quote addresses, settings, or what a `healthCheck` has thrown.
   */
  exposeErrors?: boolean;
}

/** The same, with every default filled in. */
export interface ResolvedHealthRoutesOptions {
  readonly metrics: boolean;
  readonly registry: MetricsRegistry | undefined;
  readonly exposeErrors: boolean;
}

/** The schema of each option. */
export const healthRoutesSchemas: OptionSchemas<ResolvedHealthRoutesOptions> = {
  metrics: withDefault(yesOrNo, () => true),
  registry: maybe(
    checked<MetricsRegistry>(
      (value) =>
        isObject(value) &&
        ["metrics", "registerMetric", "getSingleMetric"].every((method) =>
          typeof value[method] === "function"
        ),
      "a Registry of prom-client",
    ),
  ),
  exposeErrors: withDefault(yesOrNo, () => false),
};

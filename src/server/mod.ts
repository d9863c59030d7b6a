/**
 * Health, metrics and status of consumers by HTTP.
 *
 * @module
 */

export { jsonLogger, type JsonLoggerOptions } from "./json_logger.ts";
export { createMetrics, type Metrics, type MetricsRegistry } from "./metrics/mod.ts";
export type { Monitored } from "./monitored.ts";
export { type HealthApp, healthRoutes, type HealthRoutesOptions } from "./routes.ts";
export { serve } from "./serve.ts";
export type { ServeOptions, ServerAddress } from "./serve_options.ts";

/** Finds out whether an OpenTelemetry SDK is registered in this thread. */

import {
  createNoopMeter,
  type Meter,
  type MeterProvider,
  metrics,
  trace,
  type Tracer,
  type TracerProvider,
} from "@opentelemetry/api";
import { SCOPE } from "./names.ts";

/** What the API has in the place of a provider, which may know none (yet). */
interface ProxyProvider {
  getDelegateTracer?: (
    name: string,
    version: string,
    options: { schemaUrl: string },
  ) => Tracer | undefined;
}

const OPTIONS = { schemaUrl: SCOPE.schemaUrl };
const NOOP_METER = createNoopMeter();

/** This thread's tracer; null where no SDK is registered. */
export function findTracer(): Tracer | null {
  const provider: TracerProvider & ProxyProvider = trace.getTracerProvider();
  // A tracer of the proxy's would look for an SDK with each span: only the provider behind it says that
  // there is none. Deno's own OpenTelemetry registers its provider without a proxy.
  if (typeof provider.getDelegateTracer === "function") {
    return provider.getDelegateTracer(SCOPE.name, SCOPE.version, OPTIONS) ?? null;
  }
  return provider.getTracer(SCOPE.name, SCOPE.version, OPTIONS);
}

/** Instruments of this thread's meter provider, made anew where that is another one. */
export class Instruments<T> {
  readonly #make: (meter: Meter) => T;
  #provider: MeterProvider | null = null;
  #made: T | null = null;

  /** @param make Makes them. */
  constructor(make: (meter: Meter) => T) {
    this.#make = make;
  }

  /** The instruments; null where no SDK is registered. */
  find(): T | null {
    const provider = metrics.getMeterProvider();
    if (provider === this.#provider) return this.#made;
    this.#made = null;
    const meter = provider.getMeter(SCOPE.name, SCOPE.version, OPTIONS);
    if (meter !== NOOP_METER) this.#made = this.#make(meter);
    this.#provider = provider;
    return this.#made;
  }
}

// Registers OpenTelemetry's SDK in the thread that loads it: see open_telemetry.ts. In a service, an
// OTLPTraceExporter of @opentelemetry/exporter-trace-otlp-http would be in the console's place. (Of what a
// thread prints right before it ends, Node loses some; what is sent is not lost.)
import {
  BatchSpanProcessor,
  ConsoleSpanExporter,
  NodeTracerProvider,
} from "@opentelemetry/sdk-trace-node";

const provider = new NodeTracerProvider({
  spanProcessors: [
    new BatchSpanProcessor(new ConsoleSpanExporter(), { scheduledDelayMillis: 500 }),
  ],
});
provider.register();

/** Is awaited before a thread of the library's ends, so that no span is lost. */
export function shutdown(): Promise<void> {
  return provider.shutdown();
}

// Exports three calls with OpenTelemetry's SDK for JavaScript: node exporter.cjs PROTOCOL URL COMPRESSION LOOP MODEL
const { BasicTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-base");
const { resourceFromAttributes } = require("@opentelemetry/resources");

const [protocol, url, compression, loop, model] = process.argv.slice(2);
const name = { grpc: "grpc", "http/protobuf": "proto", "http/json": "http" }[protocol];
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${name}`);

const exporter = new OTLPTraceExporter({ url, compression, timeoutMillis: 30000 });
const resource = resourceFromAttributes({ "service.name": "js", "loopledger.loop": loop, "loopledger.run.id": loop });
const provider = new BasicTracerProvider({ resource, spanProcessors: [new SimpleSpanProcessor(exporter)] });
const tracer = provider.getTracer("tests");
for (let nth = 0; nth < 3; nth++) {
  const usage = { "gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 0 };
  const span = tracer.startSpan("chat", { attributes: { "gen_ai.operation.name": "chat", "gen_ai.request.model": model, ...usage } });
  span.addEvent("said", { words: ["a", "b"], number: 0.5, "nothing": [] });
  span.end();
}
provider.forceFlush().then(() => provider.shutdown());

import { BufferedDecoder } from "./_helpers/buffered_decoder.ts";
import { decodeJson } from "./_helpers/otlp_json.ts";
import { decodeMessages } from "./_helpers/otlp_messages.ts";
import type { Decoded, Protocol } from "./protocol.ts";

const NAME = "otlp";

const OPENING_BRACE = 0x7b;
const SPACE = 0x20;

/** JSON begins with a brace, which is no tag of the messages. */
function decode(bytes: Uint8Array): Decoded {
  const first = bytes.findIndex((byte) => byte > SPACE);
  return bytes[first] === OPENING_BRACE ? decodeJson(bytes, NAME) : decodeMessages(bytes, NAME);
}

/**
 * OpenTelemetry's metrics over OTLP/HTTP: an `ExportMetricsServiceRequest` in protocol buffers or
 * in JSON (https://opentelemetry.io/docs/specs/otlp).
 *
 * A data point's metric, its attributes, and `job` and `instance` of its resource name the stream,
 * as Prometheus has them: `http.requests,instance=a,job=shop/web,method=GET`. Gauges and sums are
 * of the channel `value`, sums as they are sent; histograms and summaries of `count` and `sum`.
 * Where a resource has no `service.instance.id`, its `host.name` is the instance. Points without a
 * finite value, or a time between 1970 and 2261, are left out and counted. Exemplars, buckets and
 * quantiles are not read.
 */
export const otlp: Protocol = {
  name: NAME,
  // Both encodings have types of other bodies: where it is sent, the path says what it is.
  mediaTypes: ["application/vnd.opentelemetry.metrics"],
  fileEndings: [],
  cut: "whole",
  open: () => new BufferedDecoder(decode),
};

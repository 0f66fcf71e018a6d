import assert from "node:assert/strict";
import { LimitError } from "../../src/base/errors.ts";
import {
  METRIC_ITEMS_MAX,
  METRIC_NAME_LENGTH_MAX,
} from "../../src/protocols/_helpers/metric_points.ts";
import { OTLP_JSON_BYTES_MAX } from "../../src/protocols/_helpers/otlp_json.ts";
import { otlp } from "../../src/protocols/otlp.ts";
import { decodeBody } from "../../src/protocols/protocol.ts";

const encoder = new TextEncoder();

/** The limit that a body passes, null where it passes none. */
function limitOf(bytes: Uint8Array): string | null {
  try {
    decodeBody(otlp, bytes);
    return null;
  } catch (error) {
    if (error instanceof LimitError) return error.limitName;
    throw error;
  }
}

/** A field of a number that holds bytes. */
function field(number: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((total, part) => total + part.length, 0);
  const head = [number * 8 + 2];
  for (let rest = length;; rest >>>= 7) {
    head.push((rest & 127) | (rest > 127 ? 128 : 0));
    if (rest <= 127) break;
  }
  const bytes = new Uint8Array(head.length + length);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A request of one resource and scope with these metrics, as the bytes of their fields. */
const requestOf = (...metrics: readonly Uint8Array[]) => field(1, field(2, ...metrics));

/** Messages of field 1 without a byte in them. */
const empty = (count: number) => new Uint8Array(2 * count).map((_, i) => i % 2 === 0 ? 10 : 0);

Deno.test("a request of OTLP holds so many metrics, points and attributes", () => {
  const name = field(1, encoder.encode("g"));
  // The metric itself is an item, too.
  const points = (count: number) => requestOf(field(2, name, field(5, empty(count))));
  assert.equal(limitOf(points(METRIC_ITEMS_MAX - 1)), null);
  assert.equal(limitOf(points(METRIC_ITEMS_MAX)), "METRIC_ITEMS_MAX");
  const metric = field(2, name);
  const metrics = new Uint8Array(metric.length * (METRIC_ITEMS_MAX + 1));
  for (let at = 0; at < metrics.length; at += metric.length) metrics.set(metric, at);
  assert.equal(limitOf(requestOf(metrics)), "METRIC_ITEMS_MAX");
  const attribute = field(7, field(1, encoder.encode("a")));
  const attributes = new Uint8Array(attribute.length * METRIC_ITEMS_MAX);
  for (let at = 0; at < attributes.length; at += attribute.length) attributes.set(attribute, at);
  const point = field(5, field(1, attributes));
  assert.equal(limitOf(requestOf(field(2, name, point))), "METRIC_ITEMS_MAX");
});

Deno.test("what each point of a metric repeats in its name is bounded", () => {
  const named = (length: number) => {
    return requestOf(field(2, field(1, encoder.encode("x".repeat(length)))));
  };
  assert.equal(limitOf(named(METRIC_NAME_LENGTH_MAX)), null);
  assert.equal(limitOf(named(METRIC_NAME_LENGTH_MAX + 1)), "METRIC_NAME_LENGTH_MAX");
  const sent = (length: number) => {
    const value = { stringValue: "s".repeat(length - 1) };
    const resource = { attributes: [{ key: "service.name", value }] };
    const scopeMetrics = [{ metrics: [{ name: "g" }] }];
    return encoder.encode(JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics }] }));
  };
  assert.equal(limitOf(sent(METRIC_NAME_LENGTH_MAX)), null);
  assert.equal(limitOf(sent(METRIC_NAME_LENGTH_MAX + 1)), "METRIC_NAME_LENGTH_MAX");
});

Deno.test("a request of OTLP in JSON is shorter than others", () => {
  const padded = (length: number) => encoder.encode(`{${" ".repeat(length - 2)}}`);
  assert.equal(limitOf(padded(OTLP_JSON_BYTES_MAX)), null);
  assert.equal(limitOf(padded(OTLP_JSON_BYTES_MAX + 1)), "OTLP_JSON_BYTES_MAX");
});

Deno.test("points with a time out of range are left out, the others of the request are not", () => {
  const dataPoints = ["-5", "-99999999999999999999", "18446744073709551615", "1772352000000000000"]
    .map((timeUnixNano) => ({ timeUnixNano, asDouble: 1 }));
  const metrics = [{ name: "g", gauge: { dataPoints } }];
  const body = JSON.stringify({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
  const { segments, ignoredCount } = decodeBody(otlp, encoder.encode(body));
  assert.equal(ignoredCount, 3);
  assert.deepEqual(segments.map(({ timestampsNs }) => [...timestampsNs]), [[1772352000000000000n]]);
});

Deno.test("a host stands for the instance that a resource does not name", () => {
  const nameOf = (attributes: Record<string, string>) => {
    const resource = {
      attributes: Object.entries(attributes).map(([key, stringValue]) => ({
        ...{ key, value: { stringValue } },
      })),
    };
    const dataPoints = [{ timeUnixNano: "1772352000000000000", asInt: "1" }];
    const scopeMetrics = [{ metrics: [{ name: "g", sum: { dataPoints } }] }];
    const body = JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics }] });
    return decodeBody(otlp, encoder.encode(body)).segments[0]!.streamId;
  };
  const web = { "service.name": "web" };
  assert.equal(nameOf(web), "g,job=web");
  assert.equal(nameOf({ ...web, "host.name": "a" }), "g,instance=a,job=web");
  const both = { ...web, "host.name": "a", "service.instance.id": "7" };
  assert.equal(nameOf(both), "g,instance=7,job=web");
});

import type { Decoded } from "../protocol.ts";
import { MessageReader } from "./message_reader.ts";
import {
  COUNT_CHANNEL,
  type MetricPoint,
  MetricPoints,
  newPoint,
  NO_RECORDED_VALUE,
  setValue,
  SUM_CHANNEL,
} from "./metric_points.ts";

/** Field numbers · 8 + wire type of `opentelemetry.proto.metrics.v1` and what holds it. */
const TAG = {
  request: { resourceMetrics: 10 },
  resourceMetrics: { resource: 10, scopeMetrics: 18 },
  resource: { attribute: 10 },
  scopeMetrics: { metric: 18 },
  metric: { name: 10, gauge: 42, sum: 58, histogram: 74, exponential: 82, summary: 90 },
  data: { point: 10 },
  number: { time: 25, double: 33, int: 49, attribute: 58, flags: 64 },
  /** Of histograms and summaries alike, but for where the attributes are. */
  distribution: { time: 25, count: 33, sum: 41 },
  keyValue: { key: 10, value: 18 },
  any: { text: 10, bool: 16, int: 24, double: 33, array: 42, map: 50, bytes: 58 },
} as const;

/** Tags of attributes and flags of the points that sum many up. */
const DISTRIBUTIONS: Readonly<Record<number, { attribute: number; flags: number }>> = {
  [TAG.metric.histogram]: { attribute: 74, flags: 80 },
  [TAG.metric.exponential]: { attribute: 10, flags: 80 },
  [TAG.metric.summary]: { attribute: 58, flags: 64 },
};

/** Values within values that an attribute may hold; deeper ones are left out. */
const VALUE_DEPTH_MAX = 8;

type Data = { readonly kind: number; readonly points: MetricPoint[] };

class RequestReader {
  readonly #reader: MessageReader;
  readonly #points = new MetricPoints();

  constructor(bytes: Uint8Array, protocol: string) {
    this.#reader = new MessageReader(bytes, protocol, "ExportMetricsServiceRequest");
  }

  read(): Decoded {
    this.#reader.readWhole((tag) => {
      if (tag === TAG.request.resourceMetrics) this.#readResourceMetrics();
      else this.#reader.skip(tag);
    });
    return this.#points.build();
  }

  #readResourceMetrics(): void {
    const resource = new Map<string, string>();
    // The resource may come behind its metrics.
    const metrics: (() => void)[] = [];
    this.#reader.readMessage((tag) => {
      if (tag === TAG.resourceMetrics.resource) {
        this.#readAttributes(TAG.resource.attribute, resource);
      } else if (tag === TAG.resourceMetrics.scopeMetrics) this.#readScope(resource, metrics);
      else this.#reader.skip(tag);
    });
    for (const add of metrics) add();
  }

  #readAttributes(attribute: number, into: Map<string, string>): void {
    this.#reader.readMessage((tag) => {
      if (tag === attribute) this.#readKeyValue(into);
      else this.#reader.skip(tag);
    });
  }

  #readScope(resource: ReadonlyMap<string, string>, metrics: (() => void)[]): void {
    this.#reader.readMessage((tag) => {
      if (tag !== TAG.scopeMetrics.metric) return this.#reader.skip(tag);
      this.#points.countItems(1);
      const { name, points } = this.#readMetric();
      metrics.push(() => this.#points.add(name, resource, points));
    });
  }

  #readMetric(): { name: string; points: readonly MetricPoint[] } {
    const { metric } = TAG;
    let name = "";
    const points: MetricPoint[] = [];
    this.#reader.readMessage((tag) => {
      if (tag === metric.name) name = this.#reader.text("name");
      else if (tag === metric.gauge || tag === metric.sum || DISTRIBUTIONS[tag] !== undefined) {
        this.#readData({ kind: tag, points });
      } else this.#reader.skip(tag);
    });
    if (name === "") this.#reader.fail("A metric has no name", "name");
    return { name, points };
  }

  #readData({ kind, points }: Data): void {
    this.#reader.readMessage((tag) => {
      if (tag !== TAG.data.point) return this.#reader.skip(tag);
      this.#points.countItems(1);
      const point = newPoint();
      const own = DISTRIBUTIONS[kind];
      if (own === undefined) this.#readNumber(point);
      else this.#readDistribution(point, own);
      points.push(point);
    });
  }

  #readNumber(point: MetricPoint): void {
    const { number } = TAG;
    this.#reader.readMessage((tag) => {
      if (tag === number.time) point.timeNs = this.#reader.fixed64();
      else if (tag === number.double) setValue(point, this.#reader.double());
      else if (tag === number.int) setValue(point, this.#reader.sfixed64());
      else if (tag === number.attribute) this.#readKeyValue(point.attributes);
      else if (tag === number.flags) this.#readFlags(point);
      else this.#reader.skip(tag);
    });
  }

  #readDistribution(point: MetricPoint, own: { attribute: number; flags: number }): void {
    const { distribution } = TAG;
    this.#reader.readMessage((tag) => {
      if (tag === distribution.time) point.timeNs = this.#reader.fixed64();
      else if (tag === distribution.count) {
        point.values.set(COUNT_CHANNEL, Number(this.#reader.fixed64()));
      } else if (tag === distribution.sum) point.values.set(SUM_CHANNEL, this.#reader.double());
      else if (tag === own.attribute) this.#readKeyValue(point.attributes);
      else if (tag === own.flags) this.#readFlags(point);
      else this.#reader.skip(tag);
    });
  }

  #readFlags(point: MetricPoint): void {
    point.isEmpty = (this.#reader.uint32() & NO_RECORDED_VALUE) !== 0;
  }

  #readKeyValue(into: Map<string, string>): void {
    this.#points.countItems(1);
    let key = "";
    let value: unknown = "";
    this.#reader.readMessage((tag) => {
      if (tag === TAG.keyValue.key) key = this.#reader.text("key");
      else if (tag === TAG.keyValue.value) value = this.#readValue(0);
      else this.#reader.skip(tag);
    });
    if (key === "") this.#reader.fail("An attribute has no key", "key");
    into.set(key, typeof value === "string" ? value : JSON.stringify(value));
  }

  #readValue(depth: number): unknown {
    const { any } = TAG;
    let value: unknown = "";
    this.#reader.readMessage((tag) => {
      if (tag === any.text) value = this.#reader.text("stringValue");
      else if (tag === any.bool) value = this.#reader.bool();
      else if (tag === any.int) value = this.#reader.int64();
      else if (tag === any.double) value = this.#reader.double();
      else if (tag === any.array && depth < VALUE_DEPTH_MAX) value = this.#readArray(depth + 1);
      // Maps and bytes name no series.
      else this.#reader.skip(tag);
    });
    return value;
  }

  #readArray(depth: number): unknown[] {
    const values: unknown[] = [];
    this.#reader.readMessage((tag) => {
      if (tag === TAG.data.point) values.push(this.#readValue(depth));
      else this.#reader.skip(tag);
    });
    return values;
  }
}

/**
 * The points of an `ExportMetricsServiceRequest` in protocol buffers.
 *
 * @throws {ProtocolError | LimitError} the bytes are none, or hold too much
 */
export function decodeMessages(bytes: Uint8Array, protocol: string): Decoded {
  return new RequestReader(bytes, protocol).read();
}

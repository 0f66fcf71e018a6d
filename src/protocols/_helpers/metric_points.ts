import { LimitError } from "../../base/errors.ts";
import { DEFAULT_CHANNEL } from "../../signal/segment.ts";
import { BodyBuilder } from "../../signal/segment_builder.ts";
import { TIMESTAMP_NS_MAX } from "../../signal/timestamp.ts";
import type { Decoded } from "../protocol.ts";
import { seriesName, shortenedName } from "./series_name.ts";

/** A data point of OpenTelemetry, whatever it was encoded in. */
export interface MetricPoint {
  /** Nanoseconds since the Unix epoch; 0 = unknown. */
  timeNs: bigint;
  /** Values by channel; undefined = not given. */
  readonly values: Map<string, number | undefined>;
  readonly attributes: Map<string, string>;
  /** Whether it says that nothing was recorded. */
  isEmpty: boolean;
}

/** Channels of points that sum many up: histograms and summaries. */
export const COUNT_CHANNEL = "count";
/** See {@linkcode COUNT_CHANNEL}. */
export const SUM_CHANNEL = "sum";

/** A point of which nothing is known yet. */
export function newPoint(): MetricPoint {
  return { timeNs: 0n, values: new Map(), attributes: new Map(), isEmpty: false };
}

/** A point of one value. */
export function setValue(point: MetricPoint, value: number): void {
  point.values.set(DEFAULT_CHANNEL, value);
}

/** Flag of a point that says that nothing was recorded. */
export const NO_RECORDED_VALUE = 1;

/**
 * Metrics, points and attributes of one request together: empty ones take two bytes of a body and
 * some hundreds of memory.
 */
export const METRIC_ITEMS_MAX = 500_000;

/** Characters of a metric's name and of what its resource adds: each of its points repeats them. */
export const METRIC_NAME_LENGTH_MAX = 1_024;

/** Attributes of a resource that name its series, as Prometheus does it. */
const SERVICE = { namespace: "service.namespace", name: "service.name" } as const;
/** The first that is there: hosts that run one service are no one series. */
const INSTANCE = ["service.instance.id", "host.name"] as const;

/** Collects the points of a request as series of streams. */
export class MetricPoints {
  readonly #body = new BodyBuilder();
  #ignoredCount = 0;
  #itemCount = 0;

  /** Counts metrics, points or attributes. @throws {LimitError} {@linkcode METRIC_ITEMS_MAX} */
  countItems(count: number): void {
    this.#itemCount += count;
    if (this.#itemCount <= METRIC_ITEMS_MAX) return;
    throw new LimitError("METRIC_ITEMS_MAX", METRIC_ITEMS_MAX, this.#itemCount, "body");
  }

  /**
   * Adds the points of a metric; those without a finite value, or without a time between the years
   * 1970 and 2261, are left out and counted, those that say that nothing was recorded are not.
   *
   * @param resource  attributes of what sent them
   * @throws {LimitError} {@linkcode METRIC_NAME_LENGTH_MAX} is passed
   */
  add(
    metric: string,
    resource: ReadonlyMap<string, string>,
    points: readonly MetricPoint[],
  ): void {
    const sender = serviceLabels(resource);
    const length = sender.reduce((total, [, text]) => total + text.length, metric.length);
    if (length > METRIC_NAME_LENGTH_MAX) {
      throw new LimitError("METRIC_NAME_LENGTH_MAX", METRIC_NAME_LENGTH_MAX, length, "name");
    }
    for (const point of points) {
      if (point.isEmpty) continue;
      const values = [...point.values].filter(([, value]) => Number.isFinite(value));
      const isTimed = point.timeNs > 0n && point.timeNs < TIMESTAMP_NS_MAX;
      if (!isTimed || values.length === 0) {
        this.#ignoredCount++;
        continue;
      }
      const labels = new Map([...sender, ...point.attributes]);
      const builder = this.#body.stream(shortenedName(seriesName(metric, labels)));
      builder.beginRow(
        Number(point.timeNs / 1_000_000_000n),
        Number(point.timeNs % 1_000_000_000n),
      );
      for (const [channel, value] of values) builder.set(builder.channelIndex(channel), value!);
    }
  }

  build(): Decoded {
    return { segments: this.#body.build(), ignoredCount: this.#ignoredCount };
  }
}

/** What tells the series of one service from those of another. */
function serviceLabels(resource: ReadonlyMap<string, string>): [string, string][] {
  const name = resource.get(SERVICE.name);
  const namespace = resource.get(SERVICE.namespace);
  const instance = INSTANCE.map((key) => resource.get(key)).find((text) => text !== undefined);
  const labels: [string, string][] = [];
  if (name !== undefined) labels.push(["job", namespace ? `${namespace}/${name}` : name]);
  if (instance !== undefined) labels.push(["instance", instance]);
  return labels;
}

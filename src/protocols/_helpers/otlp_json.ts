import { z } from "zod";
import { InvalidValueError, LimitError, ProtocolError } from "../../base/errors.ts";
import { parseBy } from "../../base/parse.ts";
import type { Decoded } from "../protocol.ts";
import {
  COUNT_CHANNEL,
  type MetricPoint,
  MetricPoints,
  newPoint,
  NO_RECORDED_VALUE,
  setValue,
  SUM_CHANNEL,
} from "./metric_points.ts";

/** Bytes of a request in JSON, inflated: an empty object in it takes three, parsed a hundred. */
export const OTLP_JSON_BYTES_MAX = 8 * 1024 * 1024;

/** Whole numbers of 64 bits are texts, or numbers where a sender is lax. */
const wholeText = z.union([z.string().regex(/^-?\d{1,20}$/, "a whole number"), z.int()]);

/** Doubles that JSON has no number for are texts. */
const double = z.union([z.number(), z.enum(["NaN", "Infinity", "-Infinity"])]);

const anyValue = z.object({
  stringValue: z.string().optional(),
  boolValue: z.boolean().optional(),
  intValue: wholeText.optional(),
  doubleValue: double.optional(),
  arrayValue: z.object({ values: z.array(z.unknown()).optional() }).optional(),
});

const attributes = z.array(z.object({ key: z.string().min(1), value: anyValue.optional() }))
  .optional();

const pointParts = {
  attributes,
  timeUnixNano: wholeText.optional(),
  flags: z.int().optional(),
};

const numbers = z.object({
  dataPoints: z.array(z.object({
    ...pointParts,
    asDouble: double.optional(),
    asInt: wholeText.optional(),
  })).optional(),
});

const distributions = z.object({
  dataPoints: z.array(z.object({
    ...pointParts,
    count: wholeText.optional(),
    sum: double.optional(),
  })).optional(),
});

const request = z.object({
  resourceMetrics: z.array(z.object({
    resource: z.object({ attributes }).optional(),
    scopeMetrics: z.array(z.object({
      metrics: z.array(z.object({
        name: z.string().min(1),
        gauge: numbers.optional(),
        sum: numbers.optional(),
        histogram: distributions.optional(),
        exponentialHistogram: distributions.optional(),
        summary: distributions.optional(),
      })).optional(),
    })).optional(),
  })).optional(),
});

type Metric = NonNullable<
  NonNullable<
    NonNullable<z.infer<typeof request>["resourceMetrics"]>[number]["scopeMetrics"]
  >[number]["metrics"]
>[number];

type PointParts = {
  readonly attributes?: z.infer<typeof attributes>;
  readonly timeUnixNano?: string | number | undefined;
  readonly flags?: number | undefined;
};

function textOf(value: z.infer<typeof anyValue> | undefined): string {
  if (value === undefined) return "";
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = value;
  if (arrayValue === undefined) {
    return String(stringValue ?? boolValue ?? intValue ?? doubleValue ?? "");
  }
  const values = (arrayValue.values ?? []).map((one) => {
    const { stringValue, boolValue, intValue, doubleValue } = parseBy(anyValue, one);
    return stringValue ?? boolValue ?? (intValue === undefined ? doubleValue : Number(intValue)) ??
      "";
  });
  return JSON.stringify(values);
}

function attributesOf(given: z.infer<typeof attributes>): Map<string, string> {
  return new Map((given ?? []).map(({ key, value }) => [key, textOf(value)]));
}

function pointOf({ attributes, timeUnixNano = 0, flags = 0 }: PointParts): MetricPoint {
  return {
    ...newPoint(),
    timeNs: BigInt(timeUnixNano),
    attributes: attributesOf(attributes),
    isEmpty: (flags & NO_RECORDED_VALUE) !== 0,
  };
}

function pointsOf(metric: Metric): MetricPoint[] {
  const { gauge, sum, histogram, exponentialHistogram, summary } = metric;
  const single = (gauge ?? sum)?.dataPoints ?? [];
  const many = (histogram ?? exponentialHistogram ?? summary)?.dataPoints ?? [];
  return [
    ...single.map((given) => {
      const point = pointOf(given);
      const value = given.asDouble ?? given.asInt;
      if (value !== undefined) setValue(point, Number(value));
      return point;
    }),
    ...many.map((given) => {
      const point = pointOf(given);
      if (given.count !== undefined) point.values.set(COUNT_CHANNEL, Number(given.count));
      if (given.sum !== undefined) point.values.set(SUM_CHANNEL, Number(given.sum));
      return point;
    }),
  ];
}

/**
 * The points of an `ExportMetricsServiceRequest` in OTLP's JSON.
 *
 * @throws {ProtocolError} the bytes are none; `field` names what is wrong
 * @throws {LimitError} {@linkcode OTLP_JSON_BYTES_MAX} is passed
 */
export function decodeJson(bytes: Uint8Array, protocol: string): Decoded {
  if (bytes.length > OTLP_JSON_BYTES_MAX) {
    throw new LimitError("OTLP_JSON_BYTES_MAX", OTLP_JSON_BYTES_MAX, bytes.length, "body");
  }
  const fail = (error: unknown): never => {
    const field = error instanceof InvalidValueError ? error.field : undefined;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProtocolError(protocol, 0, reason.slice(0, 300), field);
  };
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    return fail(`Body is no JSON: ${error instanceof Error ? error.message : error}`);
  }
  try {
    const points = new MetricPoints();
    for (const { resource, scopeMetrics } of parseBy(request, body).resourceMetrics ?? []) {
      const sender = attributesOf(resource?.attributes);
      for (const metric of (scopeMetrics ?? []).flatMap(({ metrics }) => metrics ?? [])) {
        points.add(metric.name, sender, pointsOf(metric));
      }
    }
    return points.build();
  } catch (error) {
    if (error instanceof InvalidValueError) return fail(error);
    throw error;
  }
}

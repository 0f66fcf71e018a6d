import { OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import { errorOf } from "../src/base/parse.ts";
import { splitList } from "../src/base/quoted_list.ts";
import { parseTimestamp, TIMESTAMP_PRECISIONS } from "../src/signal/timestamp.ts";
import type { TimestampPrecision } from "../src/signal/timestamp.ts";
import { PROBLEM_MEDIA_TYPE, problemResponse, RequestError } from "./_problem.ts";

/** Schemas that several routes share. A question is parsed here; the service gets typed values. */

/** A router whose failed validations are problem details that name the parameter at fault. */
export function newRoutes(): OpenAPIHono {
  return new OpenAPIHono({
    defaultHook: (result) => {
      if (result.success) return;
      const issue = result.error.issues[0]!;
      // Hono gives what it read along; its type does not say so.
      const given = (result as { data?: unknown }).data;
      const { field, value, message } = errorOf(issue, given);
      const detail = issue.code === "unrecognized_keys" ? issue.message : message;
      return problemResponse(new RequestError("malformed-request", 400, detail, { field, value }));
    },
  });
}

/**
 * Describes what a hidden route reads from the request itself: zod must not walk ten thousand
 * points, nor a body be read before its limit is known.
 */
export function describeRequest(
  routes: OpenAPIHono,
  route: RouteConfig,
  more: Pick<NonNullable<RouteConfig["request"]>, "body" | "headers">,
): void {
  // `hide` is for the router: in the document it would be a member that OpenAPI does not know.
  const { hide: _, ...described } = route;
  routes.openAPIRegistry.registerPath({ ...described, request: { ...route.request, ...more } });
}

/** A query of exactly these parameters; another one is refused by name. */
export function query<T extends z.ZodRawShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  const known = Object.keys(shape).join(", ");
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === "unrecognized_keys"
        ? `Unknown query parameter "${issue.keys?.[0]}"; known: ${known === "" ? "none" : known}`
        : undefined,
  });
}

/** `{id}` of a path. */
export const streamParams = z.object({
  id: z.string().openapi({
    param: { name: "id", in: "path" },
    description: "Name of the stream, percent-encoded",
    example: "office.temperature",
  }),
});

/** `{id}` of a path that names something with an id of the service's making. */
export function idParams(kind: string) {
  return z.object({
    id: z.string().openapi({
      param: { name: "id", in: "path" },
      description: `Id of the ${kind}`,
      example: "0123456789abcdef",
    }),
  });
}

/** A whole number in a query. */
export function wholeNumber(least: number, most: number) {
  const end = most < Number.MAX_SAFE_INTEGER ? `to ${most}` : "on";
  const wanted = `a whole number from ${least} ${end}`;
  return z.string().regex(/^\d{1,15}$/, wanted).transform(Number)
    .pipe(z.int().min(least, wanted).max(most, wanted))
    .openapi({ type: "integer", minimum: least, maximum: most });
}

/** A number in a query. */
export const numberText = z.string()
  .regex(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, "a finite number")
  .transform(Number).pipe(z.number("a finite number"))
  .openapi({ type: "number" });

/** A time in a query: ISO 8601, or an integer of milliseconds. */
export const instant = z.string().transform((text, context) => {
  try {
    return parseTimestamp(text, "ms");
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    context.addIssue({ code: "custom", message: error.expectation });
    return z.NEVER;
  }
}).openapi({ type: "string", example: "2026-01-31T12:00:00Z" });

/** A list in a query, parted by commas; empty items are refused, one with a comma is in quotes. */
export const list = z.string().transform((text, context) => {
  try {
    return splitList(text, "list");
  } catch (error) {
    if (!(error instanceof InvalidValueError)) throw error;
    context.addIssue({ code: "custom", message: error.expectation });
    return z.NEVER;
  }
}).openapi({ type: "string" });

/** `precision` of integer timestamps. */
export const precision = z.enum(TIMESTAMP_PRECISIONS as [TimestampPrecision]).optional()
  .openapi({ description: "Unit of integer timestamps; default ms (line protocol: ns)" });

const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  field: z.string().optional(),
  value: z.string().optional(),
  limitName: z.string().optional(),
  limit: z.number().optional(),
  offset: z.int().optional(),
  protocol: z.string().optional(),
  retryAfterS: z.number().optional(),
}).openapi("Problem");

const PROBLEMS: Readonly<Record<number, string>> = {
  400: "Malformed request or body",
  404: "No such stream",
  408: "Nothing of the body came in time",
  409: "Contradicts what is stored",
  413: "Passes a limit",
  415: "Unknown media type or coding",
  422: "A value that cannot be taken",
  503: "Overloaded; come back after Retry-After seconds",
};

/** The documented problems of a route, by status. */
export function problems(...statuses: (keyof typeof PROBLEMS)[]) {
  return Object.fromEntries(
    statuses.map((status) => [status, {
      description: PROBLEMS[status]!,
      content: { [PROBLEM_MEDIA_TYPE]: { schema: problemSchema } },
    }]),
  );
}

/** A JSON answer of a route. */
export function jsonAnswer<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** Server-sent events of a route. */
export function eventsAnswer(description: string) {
  return { description, content: { "text/event-stream": { schema: { type: "string" as const } } } };
}

/** Number, or null where it is missing. */
export const numberOrNull = z.number().nullable();

export const provenanceSchema = z.object({
  modelHash: z.string(),
  stateHash: z.string(),
  appliedOffset: z.int(),
  logOffset: z.int().optional(),
  origin: z.string().optional(),
}).openapi("Provenance");

export const anomalySchema = z.object({
  timestamp: z.string(),
  score: z.number().openapi({ description: "-log10 of a calibrated tail probability" }),
  flag: z.number().openapi({ description: "-log10 p" }),
  p: numberOrNull.openapi({
    description: "Chance a sample that a clean stream opens such an alarm",
  }),
  reason: z.string().nullable().openapi({ description: "What spoke loudest" }),
  number: z.int().nullable().openapi({ description: "Counts the alarms of the stream" }),
  channels: z.array(z.string()),
  values: z.array(numberOrNull),
  expected: z.array(numberOrNull),
  bandHz: z.tuple([z.number(), z.number()]).optional().openapi({
    description: "Frequencies of the band that changed; of spectra only",
  }),
  provenance: provenanceSchema,
}).openapi("Anomaly");

/** One future time of a forecast. */
export const forecastPointSchema = z.object({
  timestamp: z.string(),
  median: numberOrNull,
  quantiles: z.record(z.string(), numberOrNull),
  intervals: z.record(z.string(), z.tuple([numberOrNull, numberOrNull])),
}).openapi("ForecastPoint");

export const forecastSchema = z.object({
  id: z.string(),
  origin: z.string(),
  horizon: z.int(),
  quantiles: z.array(z.number()),
  channels: z.record(z.string(), z.array(forecastPointSchema)),
  forecast: z.array(forecastPointSchema),
  provenance: provenanceSchema,
}).openapi("Forecast");

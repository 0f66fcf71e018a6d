import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import { parseBy } from "../src/base/parse.ts";
import { BODY_BYTES_MAX, decodeBody } from "../src/protocols/protocol.ts";
import { protocolOfName } from "../src/protocols/mod.ts";
import { type GivenRange, givenRanges } from "../src/service/given_ranges.ts";
import type { Service } from "../src/service/service.ts";
import { concatSegments, type Segment } from "../src/signal/segment.ts";
import type { StreamSettings } from "../src/stores/store.ts";
import { FORECAST_TIMES_MAX } from "../src/streams/engine.ts";
import { answeredForecastSchema, drawMembers, regressorMembers } from "./_answers.ts";
import { parseJson, readBody } from "./_body.ts";
import type { BodyPatience } from "./_body_watch.ts";
import { SAMPLE_MEMBERS, splitMembers } from "./_members.ts";
import { RequestError } from "./_problem.ts";
import { parseQuestion } from "./_question.ts";
import { rangeSchema } from "./streams.ts";
import {
  anomalySchema,
  describeRequest,
  jsonAnswer,
  newRoutes,
  numberOrNull,
  precision,
  problems,
  query,
} from "./_schemas.ts";

/** Name of the stream in answers about samples that are sent along. */
const ANONYMOUS = "request";

const NO_MEMBERS = new TextEncoder().encode("{}");

const json = protocolOfName("json")!;

const numberOrText = z.union([z.number(), z.string()]);

const forecastMembers = z.strictObject({
  horizon: z.int().optional(),
  times: z.array(numberOrText).optional(),
  level: z.array(z.number()).optional(),
  quantiles: z.array(z.number()).optional(),
  channel: z.array(z.string()).optional(),
  model: z.string().optional(),
  seasonsS: z.array(z.number()).optional(),
  ranges: z.record(z.string(), rangeSchema).optional()
    .openapi({
      description: "By channel: bounds, inside of which forecasts stay, and values that " +
        "stand for missing ones",
    }),
  ...drawMembers,
  ...regressorMembers,
});

const detectMembers = z.strictObject({ seasonsS: z.array(z.number()).optional() });

const samplesSchema = {
  timestamps: z.array(z.union([z.string(), z.int()])),
  values: z.array(numberOrNull).optional(),
  channels: z.record(z.string(), z.array(numberOrNull)).optional(),
};

const forecastBody = z.object({
  ...samplesSchema,
  ...forecastMembers.shape,
  horizon: z.int().min(1).max(FORECAST_TIMES_MAX).optional(),
}).openapi("ForecastQuestion");

const detectBody = z.object({ ...samplesSchema, ...detectMembers.shape })
  .openapi("DetectQuestion");

const forecastRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/forecast",
  summary: "Forecasts samples that are sent along; stores nothing",
  request: { query: query({ precision }) },
  responses: {
    200: jsonAnswer(answeredForecastSchema, "Median, quantiles and intervals by time"),
    ...problems(400, 408, 413, 415, 422, 503),
  },
});

const detectRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/detect",
  summary: "Scores and flags samples that are sent along; stores nothing",
  request: { query: query({ precision }) },
  responses: {
    200: jsonAnswer(
      z.object({
        timestamps: z.array(z.string()),
        scores: z.array(z.number()),
        flags: z.array(z.number()),
        anomalies: z.array(anomalySchema),
      }).openapi("Detection"),
      "One score and flag a sample, in time order",
    ),
    ...problems(400, 408, 413, 415, 422, 503),
  },
});

async function readQuestion<T extends z.ZodRawShape>(
  request: Request,
  patience: BodyPatience,
  schema: z.ZodObject<T, z.core.$strict>,
  unit: "ns" | "us" | "ms" | "s" | undefined,
): Promise<{ segment: Segment; members: z.infer<typeof schema> }> {
  const contentType = request.headers.get("content-type") ?? "";
  if (!/^application\/json\s*(;|$)/i.test(contentType)) {
    const detail = `Content-Type is "${contentType.slice(0, 80)}", expected application/json`;
    throw new RequestError("unsupported-media-type", 415, detail, { field: "Content-Type" });
  }
  const bytes = await readBody(request, "BODY_BYTES_MAX", BODY_BYTES_MAX, patience);
  const parts = splitMembers(bytes, Object.keys(schema.shape), SAMPLE_MEMBERS);
  // No object: rows, or no JSON at all, which is then said here.
  if (parts === null) parseJson(bytes);
  const { segments } = decodeBody(json, parts?.samples ?? bytes, {
    streamId: ANONYMOUS,
    precision: unit,
  });
  const other = segments.find((segment) => segment.streamId !== ANONYMOUS);
  if (other !== undefined) {
    throw new InvalidValueError("id", other.streamId, "no name, since nothing is stored");
  }
  const members = parseBy(schema, parseJson(parts?.question ?? NO_MEMBERS));
  return { segment: concatSegments(segments), members };
}

interface GivenSettings {
  readonly model?: string | undefined;
  readonly seasonsS?: number[] | undefined;
  readonly ranges?: Readonly<Record<string, GivenRange>> | undefined;
}

/** Only the settings that were given. */
function settingsOf(given: GivenSettings, segment: Segment): Partial<StreamSettings> {
  return {
    ...(given.ranges === undefined
      ? {}
      : { channels: givenRanges(given.ranges, segment.channels) }),
    ...(given.model === undefined ? {} : { model: given.model }),
    ...(given.seasonsS === undefined ? {} : { seasonsS: given.seasonsS }),
  };
}

/** Answers about samples that are sent along. */
export function statelessRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  for (
    const [route, schema] of [[forecastRoute, forecastBody], [detectRoute, detectBody]] as const
  ) {
    describeRequest(routes, route, { body: { content: { "application/json": { schema } } } });
  }
  routes.openapi(forecastRoute, async (c) => {
    const unit = c.req.valid("query").precision;
    const { segment, members } = await readQuestion(c.req.raw, service, forecastMembers, unit);
    const { level, channel, ...rest } = members;
    const question = parseQuestion({ ...rest, levels: level, channels: channel });
    return c.json(await service.forecastOnce(segment, settingsOf(members, segment), question), 200);
  });
  routes.openapi(detectRoute, async (c) => {
    const unit = c.req.valid("query").precision;
    const { segment, members } = await readQuestion(c.req.raw, service, detectMembers, unit);
    return c.json(await service.detectOnce(segment, settingsOf(members, segment)), 200);
  });
  return routes;
}

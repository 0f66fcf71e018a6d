import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { parseBy } from "../src/base/parse.ts";
import type { Service } from "../src/service/service.ts";
import { FORECAST_TIMES_MAX } from "../src/streams/engine.ts";
import { answeredForecastSchema, drawMembers, drawQuery, regressorMembers } from "./_answers.ts";
import { parseJson, readBody } from "./_body.ts";
import { parseQuestion, type RawQuestion } from "./_question.ts";
import { supposedSchema } from "./_suppose.ts";
import {
  describeRequest,
  jsonAnswer,
  list,
  newRoutes,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

/** Bytes of a body that asks for a forecast. */
export const QUESTION_BYTES_MAX = 1024 * 1024;

const TOLD = {
  asOf: "Forecast as of this time: samples after it are not known yet",
  without: "Forecast as if these channels had never come",
  suppose: "Forecast as if these samples had come next",
} as const;

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/forecast",
  summary: "Forecasts from the stream's present state, or from that of a time of the past",
  request: {
    params: streamParams,
    query: query({
      horizon: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().openapi({
        description: `Sampling periods ahead, 1 to ${FORECAST_TIMES_MAX}; default: the stream's`,
      }),
      times: list.optional().openapi({ description: "Future times, parted by commas" }),
      level: list.optional().openapi({
        description: "Central intervals in per cent; default 80,95",
        example: "80,95",
      }),
      quantiles: list.optional().openapi({ example: "0.1,0.5,0.9" }),
      channel: list.optional().openapi({ description: "Only these channels" }),
      asOf: z.string().optional().openapi({ description: TOLD.asOf, example: "2026-03-01" }),
      without: list.optional().openapi({ description: TOLD.without }),
      ...drawQuery,
    }),
  },
  responses: {
    200: jsonAnswer(answeredForecastSchema, "Median, quantiles and intervals by time"),
    ...problems(400, 404, 413, 422, 503),
  },
});

const questionSchema = z.strictObject({
  horizon: z.int().optional(),
  times: z.array(z.union([z.number(), z.string()])).optional(),
  level: z.array(z.number()).optional(),
  quantiles: z.array(z.number()).optional(),
  channel: z.array(z.string()).optional(),
  asOf: z.union([z.number(), z.string()]).optional().openapi({ description: TOLD.asOf }),
  without: z.array(z.string()).optional().openapi({ description: TOLD.without }),
  suppose: supposedSchema.optional().openapi({ description: TOLD.suppose }),
  ...drawMembers,
  ...regressorMembers,
}).openapi("StreamForecastQuestion");

const postRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/streams/{id}/forecast",
  summary: "The same question as a body; nothing is stored",
  request: { params: streamParams, query: query({}) },
  responses: {
    200: jsonAnswer(answeredForecastSchema, "Median, quantiles and intervals by time"),
    ...problems(400, 404, 408, 413, 422, 503),
  },
});

/** @throws {InvalidValueError | ProtocolError} no JSON, or a member of no name or another kind */
function readQuestion(bytes: Uint8Array): RawQuestion {
  const { level, channel, ...rest } = parseBy(questionSchema, parseJson(bytes));
  return { ...rest, levels: level, channels: channel };
}

/** Forecasts of stored streams. */
export function forecastRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  const body = { content: { "application/json": { schema: questionSchema } } };
  describeRequest(routes, postRoute, { body });
  routes.openapi(getRoute, async (c) => {
    const { id } = c.req.valid("param");
    const { level, channel, ...rest } = c.req.valid("query");
    const question = parseQuestion({ ...rest, levels: level, channels: channel });
    return c.json(await service.forecast(id, question), 200);
  });
  routes.openapi(postRoute, async (c) => {
    const { id } = c.req.valid("param");
    const bytes = await readBody(c.req.raw, "QUESTION_BYTES_MAX", QUESTION_BYTES_MAX, service);
    return c.json(await service.forecast(id, parseQuestion(readQuestion(bytes))), 200);
  });
  return routes;
}

import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import type { Service } from "../src/service/service.ts";
import { FORECAST_TIMES_MAX } from "../src/streams/engine.ts";
import { parseQuestion } from "./_question.ts";
import {
  forecastSchema,
  jsonAnswer,
  list,
  newRoutes,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/forecast",
  summary: "Forecasts from the stream's present state",
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
    }),
  },
  responses: {
    200: jsonAnswer(forecastSchema, "Median, quantiles and intervals by time"),
    ...problems(400, 404, 422, 503),
  },
});

/** Forecasts of stored streams. */
export function forecastRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    const { id } = c.req.valid("param");
    const { horizon, times, level, quantiles, channel } = c.req.valid("query");
    const question = parseQuestion({ horizon, times, levels: level, quantiles, channels: channel });
    return c.json(await service.forecast(id, question), 200);
  });
  return routes;
}

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { RECENT_SAMPLES } from "../src/service/recent.ts";
import type { Service } from "../src/service/service.ts";
import {
  jsonAnswer,
  newRoutes,
  numberOrNull,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

const byChannel = z.record(z.string(), numberOrNull);

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/innovations",
  summary: "Lists the last samples with what was predicted before each was seen, oldest first",
  description:
    "The innovation is value - expected; divided by scale it is standard normal when the model " +
    "is right. Kept in memory, so that a restarted service begins anew with the next sample.",
  request: {
    params: streamParams,
    query: query({ limit: wholeNumber(1, RECENT_SAMPLES).optional() }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        samples: z.array(z.object({
          timestamp: z.string(),
          values: byChannel,
          expected: byChannel,
          scale: byChannel,
          score: numberOrNull,
        })),
      }).openapi("Innovations"),
      "The last samples absorbed",
    ),
    ...problems(400, 404, 503),
  },
});

/** One-step errors of stored streams. */
export function innovationRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    const { limit = RECENT_SAMPLES } = c.req.valid("query");
    return c.json(await service.innovations(c.req.valid("param").id, limit), 200);
  });
  return routes;
}

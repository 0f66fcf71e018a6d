import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { ANOMALIES_MAX, type Service } from "../src/service/service.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../src/signal/timestamp.ts";
import {
  anomalySchema,
  instant,
  jsonAnswer,
  newRoutes,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

/** Alarms of one answer unless told otherwise. */
const LIMIT_DEFAULT = 1_000;

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/anomalies",
  summary: "Lists the alarms that opened, oldest first",
  request: {
    params: streamParams,
    query: query({
      from: instant.optional(),
      to: instant.optional(),
      limit: wholeNumber(1, ANOMALIES_MAX).optional(),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        anomalies: z.array(anomalySchema),
        next: z.string().nullable().openapi({ description: "`from` of the next page" }),
      }).openapi("Anomalies"),
      "One page",
    ),
    ...problems(400, 404, 503),
  },
});

/** Alarms of stored streams. */
export function anomalyRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    const { from, to, limit = LIMIT_DEFAULT } = c.req.valid("query");
    const range = { fromNs: from ?? TIMESTAMP_NS_MIN, toNs: to ?? TIMESTAMP_NS_MAX, limit };
    return c.json(await service.anomalies(c.req.valid("param").id, range), 200);
  });
  return routes;
}

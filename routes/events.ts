import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import type { Service } from "../src/service/service.ts";
import { sendEvents } from "./_live.ts";
import { eventsAnswer, newRoutes, problems, query, streamParams } from "./_schemas.ts";

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/events",
  summary: "Tells what happens to a stream, as server-sent events",
  description: "Events: `sample`, `anomaly`, `forecast`, and `dropped` when the listener was slow.",
  request: { params: streamParams, query: query({}) },
  responses: {
    200: eventsAnswer("Events until the listener leaves"),
    ...problems(400, 404, 503),
  },
});

/** Live events of one stream. */
export function eventRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    const { id } = c.req.valid("param");
    await service.requireStream(id);
    const subscription = service.events.subscribe(id);
    const leave = () => service.events.unsubscribe(id, subscription);
    return sendEvents(c, subscription, { leave });
  });
  return routes;
}

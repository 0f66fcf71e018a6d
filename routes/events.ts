import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import type { Service } from "../src/service/service.ts";
import { newRoutes, problems, query, streamParams } from "./_schemas.ts";

/** A comment is sent after this long without an event, so that a dead connection shows. */
export const HEARTBEAT_MS = 15_000;

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/events",
  summary: "Tells what happens to a stream, as server-sent events",
  description: "Events: `sample`, `anomaly`, `forecast`, and `dropped` when the listener was slow.",
  request: { params: streamParams, query: query({}) },
  responses: {
    200: {
      description: "Events until the listener leaves",
      content: { "text/event-stream": { schema: { type: "string" } } },
    },
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
    return streamSSE(c, async (stream) => {
      stream.onAbort(() => service.events.unsubscribe(id, subscription));
      try {
        await stream.write(": listening\n\n");
        for (;;) {
          const event = await subscription.next(HEARTBEAT_MS);
          if (event === undefined || stream.aborted) break;
          if (event === null) await stream.write(": alive\n\n");
          else await stream.writeSSE({ event: event.kind, data: JSON.stringify(event.data) });
        }
      } finally {
        service.events.unsubscribe(id, subscription);
      }
    });
  });
  return routes;
}

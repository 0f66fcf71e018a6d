import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Service } from "../src/service/service.ts";
import { METRICS_MEDIA_TYPE } from "../src/service/telemetry.ts";
import { jsonAnswer, newRoutes } from "./_schemas.ts";

const statusSchema = z.object({ status: z.string() }).openapi("Health");

const livenessRoute = createRoute({
  method: "get",
  path: "/healthz",
  summary: "Tells that the process answers",
  responses: { 200: jsonAnswer(statusSchema, "It does") },
});

const readinessRoute = createRoute({
  method: "get",
  path: "/readyz",
  summary: "Tells whether the service takes requests",
  responses: {
    200: jsonAnswer(statusSchema, "It does"),
    503: jsonAnswer(statusSchema, "It is shutting down"),
  },
});

const metricsRoute = createRoute({
  method: "get",
  path: "/metrics",
  summary: "Counters in Prometheus text format",
  responses: {
    200: { description: "Counters", content: { "text/plain": { schema: z.string() } } },
  },
});

/** What operators and their tools ask. */
export function healthRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(livenessRoute, (c) => c.json({ status: "alive" }, 200));
  routes.openapi(
    readinessRoute,
    (c) =>
      service.isReady
        ? c.json({ status: "ready" }, 200)
        : c.json({ status: "shutting down" }, 503, { "Retry-After": "5" }),
  );
  routes.openapi(metricsRoute, async (c) => {
    return c.text(await service.metrics(), 200, { "Content-Type": METRICS_MEDIA_TYPE });
  });
  return routes;
}

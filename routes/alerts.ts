import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { CLOSED_ALERTS_MAX } from "../src/service/alerts/alert.ts";
import { ALERT_TOPIC } from "../src/service/alerts/alerts.ts";
import type { Service } from "../src/service/service.ts";
import { sendEvents } from "./_live.ts";
import {
  eventsAnswer,
  idParams,
  instant,
  jsonAnswer,
  newRoutes,
  numberOrNull,
  problems,
  query,
  wholeNumber,
} from "./_schemas.ts";

/** Alerts of one answer unless told otherwise. */
const LIMIT_DEFAULT = 100;

const timeOrNull = z.string().nullable();

const alertSchema = z.object({
  id: z.string(),
  rule: z.object({ id: z.string(), name: z.string() }),
  severity: z.string(),
  stream: z.string(),
  kind: z.string(),
  state: z.enum(["open", "closed"]),
  acknowledged: z.boolean(),
  summary: z.string(),
  reason: z.string(),
  p: numberOrNull,
  score: numberOrNull,
  channels: z.array(z.string()),
  values: z.array(numberOrNull),
  expected: z.array(numberOrNull),
  scale: z.array(numberOrNull).openapi({ description: "Standard deviations of the predictions" }),
  flag: z.int().nullable().openapi({ description: "Number of the flag among the stream's" }),
  events: z.int().openapi({ description: "Events counted with this one, itself included" }),
  openedAt: z.string(),
  peakAt: z.string(),
  endedAt: timeOrNull,
  noticedAt: z.string(),
  acknowledgedAt: timeOrNull,
  closedAt: timeOrNull,
  closedBy: z.string().nullable()
    .openapi({ description: "itself, person, rule (changed or deleted), stream (deleted)" }),
  updatedAt: z.string(),
}).openapi("Alert");

const deliverySchema = z.object({
  id: z.string().openapi({ description: "The `webhook-id`, the same in every attempt" }),
  type: z.string(),
  state: z.enum(["waiting", "delivered", "failed"]),
  createdAt: z.string(),
  nextAttemptAt: timeOrNull,
  attempts: z.array(z.object({
    at: z.string(),
    elapsedMs: z.number(),
    status: z.int().nullable(),
    error: z.string().nullable(),
  })),
}).openapi("AlertDelivery");

const alertParams = idParams("alert");

const listRoute = createRoute({
  method: "get",
  path: "/v1/alerts",
  summary: "Lists alerts, the newest first",
  request: {
    query: query({
      state: z.enum(["open", "closed"]).optional(),
      since: instant.optional().openapi({ description: "Noticed or changed since" }),
      stream: z.string().optional(),
      rule: z.string().optional(),
      limit: wholeNumber(1, CLOSED_ALERTS_MAX).optional(),
    }),
  },
  responses: {
    200: jsonAnswer(z.object({ alerts: z.array(alertSchema) }), "The alerts"),
    ...problems(400),
  },
});

const eventsRoute = createRoute({
  method: "get",
  path: "/v1/alerts/events",
  summary: "Tells how alerts change, as server-sent events",
  description: "Events: `alert` with the alert as it is, and `dropped` when the listener was slow.",
  request: { query: query({}) },
  responses: {
    200: eventsAnswer("Events until the listener leaves"),
    ...problems(400, 503),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/alerts/{id}",
  summary: "Tells an alert",
  request: { params: alertParams, query: query({}) },
  responses: { 200: jsonAnswer(alertSchema, "The alert"), ...problems(400, 404) },
});

const acknowledgeRoute = createRoute({
  method: "post",
  path: "/v1/alerts/{id}/acknowledge",
  summary: "Says that a person has seen an alert",
  request: { params: alertParams, query: query({}) },
  responses: { 200: jsonAnswer(alertSchema, "The alert"), ...problems(400, 404, 409) },
});

const resolveRoute = createRoute({
  method: "post",
  path: "/v1/alerts/{id}/resolve",
  summary: "Closes an alert",
  description: "Where its condition still holds, no other one opens before that has changed.",
  request: { params: alertParams, query: query({}) },
  responses: { 200: jsonAnswer(alertSchema, "The alert"), ...problems(400, 404) },
});

const deliveriesRoute = createRoute({
  method: "get",
  path: "/v1/alerts/{id}/deliveries",
  summary: "Lists what was sent of an alert, oldest first",
  request: { params: alertParams, query: query({}) },
  responses: {
    200: jsonAnswer(z.object({ deliveries: z.array(deliverySchema) }), "The messages"),
    ...problems(400, 404),
  },
});

/** Alerts and what becomes of them. */
export function alertRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  const { alerts } = service;
  routes.openapi(listRoute, async (c) => {
    const { since, limit = LIMIT_DEFAULT, ...rest } = c.req.valid("query");
    return c.json({ alerts: await alerts.list({ ...rest, sinceNs: since, limit }) }, 200);
  });
  routes.openapi(eventsRoute, (c) => {
    const subscription = alerts.events.subscribe(ALERT_TOPIC);
    const leave = () => alerts.events.unsubscribe(ALERT_TOPIC, subscription);
    return sendEvents(c, subscription, { leave });
  });
  routes.openapi(getRoute, async (c) => {
    return c.json(await alerts.get(c.req.valid("param").id), 200);
  });
  routes.openapi(acknowledgeRoute, async (c) => {
    return c.json(await alerts.acknowledge(c.req.valid("param").id), 200);
  });
  routes.openapi(resolveRoute, async (c) => {
    return c.json(await alerts.resolve(c.req.valid("param").id), 200);
  });
  routes.openapi(deliveriesRoute, async (c) => {
    const { id } = c.req.valid("param");
    return c.json({ deliveries: await alerts.deliveries(id) }, 200);
  });
  return routes;
}

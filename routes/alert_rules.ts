import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { SEVERITIES } from "../src/service/alerts/alert.ts";
import type { Service } from "../src/service/service.ts";
import { readBody } from "./_body.ts";
import { parseRule, ruleBodySchema } from "./_rule_body.ts";
import {
  describeRequest,
  idParams,
  jsonAnswer,
  newRoutes,
  numberOrNull,
  problems,
  query,
} from "./_schemas.ts";

/** Bytes of a body that holds an alert rule. */
export const RULE_BYTES_MAX = 256 * 1024;

const maintenanceSchema = z.union([
  z.object({
    weekdays: z.array(z.string()),
    from: z.string(),
    to: z.string(),
    timeZone: z.string(),
  }),
  z.object({ from: z.string(), to: z.string() }),
]);

const ruleSchema = z.object({
  id: z.string(),
  name: z.string(),
  enabled: z.boolean(),
  severity: z.enum(SEVERITIES),
  streams: z.object({
    ids: z.array(z.string()),
    prefix: z.string(),
    labels: z.record(z.string(), z.string()),
  }),
  condition: z.object({ kind: z.string() }).catchall(
    z.union([
      z.string(),
      numberOrNull,
      z.array(z.string()),
      z.record(z.string(), z.number()),
    ]),
  ),
  coolDownS: z.number(),
  maxAgeS: z.number().nullable(),
  maintenance: z.array(maintenanceSchema),
  webhook: z.object({ url: z.string(), hasSecret: z.literal(true) }).nullable()
    .openapi({ description: "The secret is never answered" }),
  createdAt: z.string(),
  updatedAt: z.string(),
}).openapi("AlertRule");

const ruleParams = idParams("rule");

const listRoute = createRoute({
  method: "get",
  path: "/v1/alerts/rules",
  summary: "Lists the alert rules",
  request: { query: query({}) },
  responses: {
    200: jsonAnswer(z.object({ rules: z.array(ruleSchema) }), "The rules"),
    ...problems(400),
  },
});

const postRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/alerts/rules",
  summary: "Makes an alert rule",
  request: { query: query({}) },
  responses: { 201: jsonAnswer(ruleSchema, "The rule"), ...problems(400, 408, 413, 422) },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/alerts/rules/{id}",
  summary: "Tells an alert rule",
  request: { params: ruleParams, query: query({}) },
  responses: { 200: jsonAnswer(ruleSchema, "The rule"), ...problems(400, 404) },
});

const patchRoute = createRoute({
  hide: true,
  method: "patch",
  path: "/v1/alerts/rules/{id}",
  summary: "Changes the named members of an alert rule",
  description: "Another condition or choice of streams ends what is open, and begins anew.",
  request: { params: ruleParams, query: query({}) },
  responses: { 200: jsonAnswer(ruleSchema, "The rule"), ...problems(400, 404, 408, 413, 422) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/v1/alerts/rules/{id}",
  summary: "Deletes an alert rule and ends what is open of it",
  request: { params: ruleParams, query: query({}) },
  responses: { 204: { description: "Deleted" }, ...problems(400, 404) },
});

/** The alert rules. */
export function alertRuleRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  const { alerts } = service;
  const body = { content: { "application/json": { schema: ruleBodySchema } } };
  const read = async (request: Request) =>
    parseRule(await readBody(request, "RULE_BYTES_MAX", RULE_BYTES_MAX, service));
  describeRequest(routes, postRoute, { body });
  describeRequest(routes, patchRoute, { body });
  routes.openapi(listRoute, async (c) => {
    return c.json({ rules: await alerts.listRules() }, 200);
  });
  routes.openapi(postRoute, async (c) => {
    const rule = await alerts.createRule(await read(c.req.raw));
    return c.json(rule, 201, { Location: `/v1/alerts/rules/${rule.id}` });
  });
  routes.openapi(getRoute, async (c) => {
    return c.json(await alerts.getRule(c.req.valid("param").id), 200);
  });
  routes.openapi(patchRoute, async (c) => {
    const given = await read(c.req.raw);
    return c.json(await alerts.updateRule(c.req.valid("param").id, given), 200);
  });
  routes.openapi(deleteRoute, async (c) => {
    await alerts.deleteRule(c.req.valid("param").id);
    return c.body(null, 204);
  });
  return routes;
}

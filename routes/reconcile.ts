import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { parseBy } from "../src/base/parse.ts";
import { HIERARCHY_NODES_MAX, RECONCILIATIONS } from "../src/service/hierarchy.ts";
import { RECONCILED_AGGREGATES } from "../src/service/reconciled.ts";
import type { Service } from "../src/service/service.ts";
import { aggregateSchema } from "./_answers.ts";
import { parseJson, readBody } from "./_body.ts";
import { parseQuestion } from "./_question.ts";
import {
  describeRequest,
  forecastPointSchema,
  jsonAnswer,
  newRoutes,
  numberOrNull,
  problems,
  provenanceSchema,
  query,
} from "./_schemas.ts";

/** Bytes of a body that names a hierarchy. */
export const RECONCILE_BYTES_MAX = 1024 * 1024;

const questionSchema = z.strictObject({
  sums: z.record(z.string(), z.array(z.string())).openapi({
    description: "Parts by the name of their sum; sums may be parts of others. Parts are " +
      `streams, sums may be. At most ${HIERARCHY_NODES_MAX} nodes`,
    example: { total: ["north", "south"] },
  }),
  method: z.enum(RECONCILIATIONS).optional().openapi({ description: "Default mint-diagonal" }),
  channel: z.string().optional().openapi({ description: "Default: each stream's first" }),
  horizon: z.int().optional(),
  times: z.array(z.union([z.number(), z.string()])).optional(),
  level: z.array(z.number()).optional(),
  quantiles: z.array(z.number()).optional(),
  aggregate: z.array(z.enum(RECONCILED_AGGREGATES)).optional().openapi({
    description: "Put together over windows of the times: what adds up",
    example: ["total"],
  }),
  window: z.int().min(1).optional().openapi({
    description: "Times of a window; at most as many as are asked for, default all of them",
  }),
}).openapi("ReconcileQuestion");

const pointSchema = forecastPointSchema
  .extend({ mean: numberOrNull.openapi({ description: "Those of parts add up to their sum's" }) })
  .openapi("ReconciledPoint");

const postRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/reconcile",
  summary: "Forecasts streams and their sums so that they add up",
  description:
    "Means add up at every time. A stream keeps the widths of its own intervals; a sum " +
    "that is no stream gets those of joint draws of its parts, whose errors go together as " +
    "they did in the past.",
  request: { query: query({}) },
  responses: {
    200: jsonAnswer(
      z.object({
        method: z.enum(RECONCILIATIONS),
        nodes: z.record(
          z.string(),
          z.object({
            isStream: z.boolean(),
            base: z.array(numberOrNull).nullable().openapi({ description: "Means before" }),
            forecast: z.array(pointSchema),
            aggregates: z.array(aggregateSchema).optional(),
            provenance: z.union([provenanceSchema, z.null()]),
          }),
        ),
      }).openapi("Reconciled"),
      "Forecasts by node",
    ),
    ...problems(400, 404, 408, 413, 422, 503),
  },
});

/** Forecasts that add up. */
export function reconcileRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  const body = { content: { "application/json": { schema: questionSchema } } };
  describeRequest(routes, postRoute, { body });
  routes.openapi(postRoute, async (c) => {
    const bytes = await readBody(c.req.raw, "RECONCILE_BYTES_MAX", RECONCILE_BYTES_MAX, service);
    const { sums, method = "mint-diagonal", channel, level, ...rest } = parseBy(
      questionSchema,
      parseJson(bytes),
    );
    const question = parseQuestion({ ...rest, levels: level });
    const { aggregate: aggregates = [], window } = rest;
    const asked = {
      ...question,
      ...{ sums: new Map(Object.entries(sums)), method, channel, aggregates },
      ...(window === undefined ? {} : { window }),
    };
    return c.json(await service.reconcile(asked), 200);
  });
  return routes;
}

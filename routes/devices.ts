import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { DEVICE_MODES } from "../src/service/devices.ts";
import type { Service } from "../src/service/service.ts";
import { jsonAnswer, newRoutes, problems, query } from "./_schemas.ts";

const devicesSchema = z.object({
  mode: z.enum(DEVICE_MODES),
  state: z.enum(["opening", "ready", "failed"])
    .openapi({ description: "The first start beside a GPU checks and measures it" }),
  error: z.string().nullable(),
  cpu: z.object({ threads: z.int(), simdUnavailable: z.string().nullable() }).optional(),
  gpu: z.object({
    name: z.string(),
    software: z.boolean(),
    failedOps: z.array(z.string()),
    fromWork: z.number().nullable()
      .openapi({ description: "Multiply-adds from which it is faster; null for never" }),
  }).nullable().optional(),
  gpuUnused: z.string().nullable().optional()
    .openapi({ description: "Why no job runs on the GPU; null where one may" }),
}).openapi("Devices");

const getRoute = createRoute({
  method: "get",
  path: "/v1/devices",
  summary: "Tells what jobs run on",
  request: { query: query({}) },
  responses: { 200: jsonAnswer(devicesSchema, "The devices"), ...problems(400) },
});

/** What the service computes on. */
export function deviceRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, (c) => c.json(service.models.devices(), 200));
  return routes;
}

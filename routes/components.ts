import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Service } from "../src/service/service.ts";
import { COMPONENT_TIMES_MAX } from "../src/streams/engine.ts";
import { parseQuestion } from "./_question.ts";
import {
  instant,
  jsonAnswer,
  list,
  newRoutes,
  numberOrNull,
  problems,
  provenanceSchema,
  query,
  streamParams,
} from "./_schemas.ts";

const column = z.array(numberOrNull);

const channelSchema = z.object({
  timestamps: z.array(z.string()).openapi({ description: "Samples, and gaps at the period" }),
  values: column.openapi({ description: "Null where no value is stored" }),
  signal: column.openapi({
    description: "level + shortTerm + seasons + covariates, from all samples",
  }),
  intervals: z.record(z.string(), z.object({ lower: column, upper: column })).openapi({
    description: "Of the signal where a value is stored, of the value where none is",
  }),
  level: column,
  slope: column.openapi({ description: "Change of the level in a sampling period" }),
  shortTerm: column.openapi({ description: "What passes in a few sampling periods" }),
  seasons: z.array(z.object({ lengthS: z.number(), values: column })),
  covariates: column.optional().openapi({
    description: "What the stream's covariates say; absent where it declares none",
  }),
  remainder: column.openapi({ description: "values - signal" }),
  noiseDeviation: numberOrNull,
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/components",
  summary: "Takes the past apart into level, seasons and remainder, and fills its gaps",
  description: "Smoothed: what each part was is told from all samples before and after it. " +
    `At most ${COMPONENT_TIMES_MAX} samples and missing ones, over all channels.`,
  request: {
    params: streamParams,
    query: query({
      from: instant.optional().openapi({ description: "Default: the first sample" }),
      to: instant.optional().openapi({ description: "Default: the last sample" }),
      channel: list.optional().openapi({ description: "Only these channels" }),
      level: list.optional().openapi({ description: "Intervals in per cent; default 80,95" }),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        channels: z.record(z.string(), channelSchema),
        provenance: provenanceSchema,
      }).openapi("Components"),
      "The parts by channel",
    ),
    ...problems(400, 404, 413, 422, 503),
  },
});

/** What the past of stored streams was made of. */
export function componentRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    const { from, to, channel, level } = c.req.valid("query");
    const { levels } = parseQuestion({ levels: level });
    const range = { id: c.req.valid("param").id, fromNs: from, toNs: to };
    return c.json(await service.components(range, channel, levels), 200);
  });
  return routes;
}

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import { parseBy } from "../src/base/parse.ts";
import type { Service } from "../src/service/service.ts";
import { MISSING_VALUES_MAX } from "../src/stores/channel_range.ts";
import { PAGE_MAX, STREAM_COVARIATES_MAX, type StreamSettings } from "../src/stores/store.ts";
import { parseJson, readBody } from "./_body.ts";
import {
  describeRequest,
  jsonAnswer,
  newRoutes,
  numberOrNull,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

/** Bytes of a body that holds settings. */
export const SETTINGS_BYTES_MAX = 256 * 1024;

/** Streams of one page unless told otherwise. */
const PAGE_DEFAULT = 100;

/** What a channel's values can be. */
export const rangeSchema = z.strictObject({
  lower: z.number().optional().openapi({ description: "Forecasts stay above" }),
  upper: z.number().optional().openapi({ description: "Forecasts stay below" }),
  missing: z.array(z.number()).optional().openapi({
    description: `Values that stand for a missing one, at most ${MISSING_VALUES_MAX}`,
  }),
}).openapi("ChannelRange");

const flagsSchema = z.strictObject({
  falseAlarmRate: z.number().optional()
    .openapi({ description: "False alarms a sample of a clean stream; default 1e-4" }),
  repeats: z.enum(["learn", "tell"]).optional()
    .openapi({ description: "Whether what comes again is told less (default) or each time" }),
  effectMin: z.number().optional()
    .openapi({ description: "Least distance from the usual level, in standard deviations" }),
  coolDownS: z.number().optional()
    .openapi({ description: "Seconds after an alarm in which no other one opens" }),
}).openapi("FlagSettings");

const settingsSchema = z.strictObject({
  model: z.string().optional(),
  horizon: z.int().optional(),
  detect: z.boolean().optional(),
  channels: z.record(z.string(), rangeSchema).optional()
    .openapi({ description: "By channel: bounds, and values that stand for missing ones" }),
  seasonsS: z.array(z.number()).optional()
    .openapi({ description: "Declared season lengths in seconds; none = found" }),
  flags: flagsSchema.optional(),
  covariates: z.array(z.string()).optional().openapi({
    description: `Channels that tell of the others, at most ${STREAM_COVARIATES_MAX}`,
  }),
  labels: z.record(z.string(), z.string()).optional(),
}).openapi("StreamSettings");

const streamSchema = z.object({
  id: z.string(),
  model: z.string(),
  horizon: z.int(),
  detect: z.boolean(),
  channels: z.array(z.string()),
  ranges: z.record(
    z.string(),
    rangeSchema,
  ),
  declaredSeasons: z.array(z.number()),
  flags: flagsSchema,
  covariates: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  sampleCount: z.int(),
  firstTimestamp: z.string().nullable(),
  lastTimestamp: z.string().nullable(),
  logOffset: z.int(),
  createdAt: z.string(),
}).openapi("Stream");

const coverageSchema = z.array(
  z.object({ level: z.number(), value: numberOrNull, count: z.number() }),
);

const channelCoverageSchema = z.array(
  z.object({
    level: z.number(),
    value: numberOrNull,
    count: z.number(),
    width: numberOrNull.openapi({ description: "Mean width of the newest intervals" }),
  }),
);

const channelSummarySchema = z.object({
  periodS: numberOrNull,
  seasons: z.array(z.number()),
  coverage: channelCoverageSchema,
  weights: z.record(z.string(), z.number()),
});

const streamStateSchema = streamSchema.extend({
  appliedOffset: z.int(),
  modelHash: z.string(),
  stateHash: z.string(),
  stateBytes: z.int(),
  periodS: numberOrNull,
  seasons: z.array(z.number()),
  coverage: coverageSchema,
  perChannel: z.record(z.string(), channelSummarySchema),
  failed: z.string().nullable().openapi({ description: "Why the state no longer advances" }),
}).openapi("StreamState");

const entrySchema = z.object({
  id: z.string(),
  model: z.string(),
  channels: z.array(z.string()),
  labels: z.record(z.string(), z.string()),
  sampleCount: z.int(),
  firstTimestamp: z.string().nullable(),
  lastTimestamp: z.string().nullable(),
  logOffset: z.int(),
  status: z.enum(["live", "stale", "empty"]),
  lastValues: z.record(z.string(), numberOrNull),
  sparkline: z.record(z.string(), z.array(numberOrNull)),
  alarms24h: z.int(),
}).openapi("StreamEntry");

const listRoute = createRoute({
  method: "get",
  path: "/v1/streams",
  summary: "Lists streams in the order of their names",
  request: {
    query: query({
      after: z.string().optional().openapi({ description: "`next` of the page before" }),
      limit: wholeNumber(1, PAGE_MAX).optional(),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({ streams: z.array(entrySchema), next: z.string().nullable() }),
      "One page",
    ),
    ...problems(400),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}",
  summary: "Tells a stream's settings, log and state",
  request: { params: streamParams, query: query({}) },
  responses: { 200: jsonAnswer(streamStateSchema, "The stream"), ...problems(400, 404, 503) },
});

const putRoute = createRoute({
  hide: true,
  method: "put",
  path: "/v1/streams/{id}",
  summary: "Creates a stream or changes the named settings of it",
  request: { params: streamParams, query: query({}) },
  responses: {
    200: jsonAnswer(streamSchema, "Changed"),
    201: jsonAnswer(streamSchema, "Created"),
    ...problems(400, 408, 409, 413, 422),
  },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/v1/streams/{id}",
  summary: "Deletes a stream and all that belongs to it",
  request: { params: streamParams, query: query({}) },
  responses: { 204: { description: "Deleted" }, ...problems(404) },
});

/** The schema would drop a member of this name without a word. */
function refusePrototype(value: unknown, path: readonly string[] = []): void {
  // Settings have no deeper members: the schema refuses those.
  if (typeof value !== "object" || value === null || path.length > 2) return;
  for (const [name, member] of Object.entries(value)) {
    const field = [...path, name];
    if (name === "__proto__") {
      throw new InvalidValueError(field.join("."), "", 'another name than "__proto__"');
    }
    refusePrototype(member, field);
  }
}

/** @throws {InvalidValueError} a member that is no setting, or of the wrong kind */
function parseSettings(bytes: Uint8Array): Partial<StreamSettings> {
  const given = bytes.length === 0 ? {} : parseJson(bytes);
  refusePrototype(given);
  return parseBy(settingsSchema, given) as Partial<StreamSettings>;
}

/** The streams: settings, state and the overview. */
export function streamRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  const body = { content: { "application/json": { schema: settingsSchema } } };
  describeRequest(routes, putRoute, { body });
  routes.openapi(listRoute, async (c) => {
    const { after, limit = PAGE_DEFAULT } = c.req.valid("query");
    return c.json(
      await service.listStreams({ limit, ...after === undefined ? {} : { after } }),
      200,
    );
  });
  routes.openapi(getRoute, async (c) => {
    return c.json(await service.getStream(c.req.valid("param").id), 200);
  });
  routes.openapi(putRoute, async (c) => {
    const bytes = await readBody(c.req.raw, "SETTINGS_BYTES_MAX", SETTINGS_BYTES_MAX, service);
    const put = await service.putStream(c.req.valid("param").id, parseSettings(bytes));
    return c.json(put.stream, put.isCreated ? 201 : 200);
  });
  routes.openapi(deleteRoute, async (c) => {
    await service.deleteStream(c.req.valid("param").id);
    return c.body(null, 204);
  });
  return routes;
}

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import type { DecodeOptions, Protocol } from "../src/protocols/protocol.ts";
import { protocolOfMediaType, protocols } from "../src/protocols/mod.ts";
import { POINTS_DEFAULT, POINTS_MAX } from "../src/service/observations.ts";
import type { Service } from "../src/service/service.ts";
import { columnsShape, type IngestShape } from "../src/service/shapes.ts";
import { formatTimestamp, TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../src/signal/timestamp.ts";
import { sha256Hex } from "../src/base/hash.ts";
import { IDEMPOTENCY_KEY_LENGTH_MAX } from "../src/stores/store.ts";
import { decodeRequest } from "./_body.ts";
import { RequestError } from "./_problem.ts";
import {
  describeRequest,
  instant,
  jsonAnswer,
  list,
  newRoutes,
  numberOrNull,
  precision,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

const ingestQuery = query({
  precision,
  wait: z.enum(["applied"]).optional()
    .openapi({ description: "applied: answer only after the state has advanced" }),
  start: instant.optional().openapi({ description: "Time of the first sample of audio" }),
  timestampColumn: z.string().optional().openapi({ description: "CSV: column of the timestamps" }),
  columns: list.optional().openapi({ description: "CSV: columns to read, parted by commas" }),
});

type IngestQuery = z.infer<typeof ingestQuery>;

const conflictSchema = z.object({
  timestamp: z.string(),
  channel: z.string(),
  stored: z.number(),
  given: z.number(),
}).openapi("Conflict");

const outcomeSchema = z.object({
  id: z.string(),
  accepted: z.int().openapi({ description: "In order: they advance the state" }),
  duplicates: z.int().openapi({ description: "Known already; nothing was stored" }),
  late: z.int().openapi({ description: "Stored, but older than the newest sample" }),
  rejected: z.int().openapi({ description: "Contradict a stored value, which stays" }),
  conflicts: z.array(conflictSchema).optional(),
  logOffset: z.int(),
  appliedOffset: z.int().optional(),
  note: z.string().optional()
    .openapi({
      description: "Integer times that were likely meant in another unit; stored as read",
    }),
}).openapi("IngestOutcome");

const bulkSchema = z.object({
  streams: z.array(outcomeSchema),
  accepted: z.int(),
  duplicates: z.int(),
  late: z.int(),
  rejected: z.int(),
  ignored: z.int(),
}).openapi("BulkIngestOutcome");

const timestampsSchema = z.array(z.union([z.string(), z.int()]));
const columnSchema = z.array(numberOrNull);

/** For the reference page only: the decoders read the bytes themselves. */
const bodySchema = z.union([
  z.object({ timestamps: timestampsSchema, values: columnSchema }),
  z.object({ timestamps: timestampsSchema, channels: z.record(z.string(), columnSchema) }),
  z.array(z.object({ timestamp: z.union([z.string(), z.int()]), value: numberOrNull })),
]).openapi("Samples");

/** The body by media type: each protocol of the hub. */
function bodyContent(): Record<string, { schema: z.ZodType }> {
  const text = z.string();
  const binary = z.string().openapi({ format: "binary" });
  return Object.fromEntries(protocols.map(({ mediaTypes, cut }) => {
    const mediaType = mediaTypes[0]!;
    if (mediaType === "application/json") return [mediaType, { schema: bodySchema }];
    return [mediaType, { schema: cut === "whole" ? binary : text }];
  }));
}

const headers = z.object({
  "Idempotency-Key": z.string().max(IDEMPOTENCY_KEY_LENGTH_MAX).optional()
    .openapi({ description: "A retry under the same key gets the first answer again" }),
});

const postRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/streams/{id}/observations",
  summary: "Stores samples of one stream; a first write creates it",
  request: { params: streamParams, query: ingestQuery },
  responses: {
    200: jsonAnswer(outcomeSchema, "Durable: fsynced before the answer"),
    ...problems(400, 408, 409, 413, 415, 422, 503),
  },
});

const bulkRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/observations",
  summary: "Stores samples of many streams, all of them or none",
  request: { query: ingestQuery },
  responses: {
    200: jsonAnswer(bulkSchema, "Durable: fsynced before the answer"),
    ...problems(400, 408, 409, 413, 415, 422, 503),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/observations",
  summary: "Reads samples, thinned to the look of the line where there are many",
  request: {
    params: streamParams,
    query: query({
      from: instant.optional(),
      to: instant.optional(),
      maxPoints: wholeNumber(2, POINTS_MAX).optional(),
      channel: list.optional(),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        timestamps: z.array(z.string()),
        channels: z.record(z.string(), columnSchema),
        decimated: z.boolean(),
        count: z.int().openapi({ description: "Samples in the range, before thinning" }),
      }).openapi("Observations"),
      "The samples, oldest first",
    ),
    ...problems(400, 404, 422),
  },
});

/** @throws {RequestError} no protocol has this media type */
export function protocolOf(request: Request): Protocol {
  const contentType = request.headers.get("content-type") ?? "";
  const protocol = protocolOfMediaType(contentType);
  if (protocol !== undefined) return protocol;
  const known = protocols.map(({ mediaTypes }) => mediaTypes[0]).join(", ");
  throw new RequestError(
    "unsupported-media-type",
    415,
    `Content-Type is "${contentType.slice(0, 80)}", expected one of ${known}`,
    { field: "Content-Type", headers: { "Accept-Post": known } },
  );
}

function decodeOptions(asked: IngestQuery, more: DecodeOptions): DecodeOptions {
  return {
    ...more,
    precision: asked.precision,
    startNs: asked.start,
    timestampColumn: asked.timestampColumn,
    valueColumns: asked.columns,
  };
}

/** Path and query without `wait`: that alone may differ between a request and its retry. */
function targetOf(request: Request): string {
  const { pathname, searchParams } = new URL(request.url);
  searchParams.delete("wait");
  searchParams.sort();
  return `${pathname}?${searchParams}`;
}

async function ingest(
  service: Service,
  request: Request,
  asked: IngestQuery,
  streamId: string | undefined,
): Promise<{ outcomes: IngestShape[]; ignoredCount: number }> {
  const key = request.headers.get("idempotency-key");
  if (key !== null && key.length > IDEMPOTENCY_KEY_LENGTH_MAX) {
    const expectation = `at most ${IDEMPOTENCY_KEY_LENGTH_MAX} characters`;
    throw new InvalidValueError("Idempotency-Key", key, expectation);
  }
  const protocol = protocolOf(request);
  const options = decodeOptions(asked, { streamId, nowNs: service.clock.nowNs() });
  const decoded = await decodeRequest(request, protocol, {
    ...options,
    isHashed: key !== null,
  }, service);
  const { segments, ignoredCount, bodyHash } = decoded;
  if (streamId !== undefined) {
    const other = segments.find((segment) => segment.streamId !== streamId);
    if (other !== undefined) throw new InvalidValueError("stream", other.streamId, streamId);
  }
  const outcomes = await service.ingest(segments, {
    isAppliedAwaited: asked.wait === "applied",
    ignoredCount,
    precision: asked.precision ?? protocol.precision,
    ...(key === null || bodyHash === undefined ? {} : {
      idempotencyKey: key,
      requestHash: sha256Hex(`${targetOf(request)}\n${protocol.name}\n${bodyHash}`),
    }),
  });
  return { outcomes, ignoredCount };
}

/** Samples in, of one stream or many, and samples out. */
export function observationRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  for (const route of [postRoute, bulkRoute]) {
    describeRequest(routes, route, { headers, body: { content: bodyContent() } });
  }
  // Without a query there is nothing to parse, and most requests come without one.
  routes.post("/v1/streams/:id/observations", async (c, next) => {
    if (c.req.url.includes("?")) return await next();
    const { outcomes } = await ingest(service, c.req.raw, {}, c.req.param("id"));
    return c.json(outcomes[0]!, 200);
  });
  routes.openapi(postRoute, async (c) => {
    const { id } = c.req.valid("param");
    const { outcomes } = await ingest(service, c.req.raw, c.req.valid("query"), id);
    return c.json(outcomes[0]!, 200);
  });
  routes.openapi(bulkRoute, async (c) => {
    const { outcomes, ignoredCount } = await ingest(
      service,
      c.req.raw,
      c.req.valid("query"),
      undefined,
    );
    const total = (key: "accepted" | "duplicates" | "late" | "rejected") =>
      outcomes.reduce((sum, outcome) => sum + outcome[key], 0);
    return c.json({
      streams: outcomes,
      accepted: total("accepted"),
      duplicates: total("duplicates"),
      late: total("late"),
      rejected: total("rejected"),
      ignored: ignoredCount,
    }, 200);
  });
  routes.openapi(getRoute, async (c) => {
    const { id } = c.req.valid("param");
    const { from, to, maxPoints = POINTS_DEFAULT, channel } = c.req.valid("query");
    const { segment, isDecimated, sampleCount } = await service.observations(id, {
      fromNs: from ?? TIMESTAMP_NS_MIN,
      toNs: to ?? TIMESTAMP_NS_MAX,
      maxPoints,
      channels: channel,
    });
    return c.json({
      id,
      timestamps: Array.from(segment.timestampsNs, formatTimestamp),
      channels: columnsShape(segment),
      decimated: isDecimated,
      count: sampleCount,
    }, 200);
  });
  return routes;
}

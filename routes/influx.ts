import { type OpenAPIHono, z } from "@hono/zod-openapi";
import { protocolOfName } from "../src/protocols/mod.ts";
import type { Service } from "../src/service/service.ts";
import type { TimestampPrecision } from "../src/signal/timestamp.ts";
import { decodeRequest } from "./_body.ts";
import { type Problem, RequestError } from "./_problem.ts";
import { newRoutes, problems } from "./_schemas.ts";

/** Version that `/ping` reports: the last of the 1.x line, whose write API this is. */
const INFLUX_VERSION = "1.8.10";

const lineProtocol = protocolOfName("line_protocol")!;

/** Names of precisions in the query of a v1 and of a v2 client; each defaults to ns. */
const PRECISIONS: Readonly<Record<string, TimestampPrecision>> = {
  n: "ns",
  ns: "ns",
  u: "us",
  us: "us",
  ms: "ms",
  s: "s",
};

/** Where a v1 and a v2 client write to, and what the reference page says of it. */
const WRITE_PATHS = {
  "/write": "Stores line protocol, as clients of InfluxDB 1.x send it",
  "/api/v2/write": "Stores line protocol, as clients of InfluxDB 2.x send it",
} as const;

const writeRequest = {
  query: z.object({
    precision: z.enum(["n", "ns", "u", "us", "ms", "s"]).optional()
      .openapi({ description: "Unit of the timestamps; default ns" }),
  }),
  body: { content: { [lineProtocol.mediaTypes[0]!]: { schema: z.string() } } },
};

/** For the reference page only: other parameters are ignored, whatever a client sends. */
function describeRoutes(routes: OpenAPIHono): void {
  for (const [path, summary] of Object.entries(WRITE_PATHS)) {
    routes.openAPIRegistry.registerPath({
      ...{ method: "post", path, summary, request: writeRequest },
      responses: {
        204: { description: "Durable: fsynced before the answer" },
        ...problems(400, 408, 413, 415, 422, 503),
      },
    });
  }
  routes.openAPIRegistry.registerPath({
    ...{
      method: "get",
      path: "/ping",
      summary: "Tells InfluxDB's clients that the service answers",
    },
    responses: { 204: { description: "It does" } },
  });
}

/**
 * What InfluxDB's clients read of a refusal, beside the problem: `error` those of v1, `code` and
 * `message` those of v2. Telegraf logs nothing else of an answer.
 */
export function influxMembers(path: string, { type, detail }: Problem): Record<string, string> {
  if (!Object.hasOwn(WRITE_PATHS, path)) return {};
  return { error: detail, code: type.split(":").at(-1)!, message: detail };
}

/** @throws {RequestError} a precision that Influx's clients don't send, or one that we refuse */
function precisionOf(url: string): TimestampPrecision {
  const given = new URL(url).searchParams.get("precision") ?? "ns";
  const precision = PRECISIONS[given];
  if (precision !== undefined) return precision;
  const detail = `precision is "${given.slice(0, 20)}", expected ns, us, ms or s`;
  throw new RequestError("malformed-request", 400, detail, { field: "precision" });
}

/**
 * InfluxDB's write API, v1 and v2, for the clients that speak it. Database, organisation, bucket
 * and retention policy name nothing here and are ignored; each series is a stream.
 */
export function influxRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  describeRoutes(routes);
  routes.on("POST", Object.keys(WRITE_PATHS), async (c) => {
    const precision = precisionOf(c.req.url);
    const { segments, ignoredCount } = await decodeRequest(c.req.raw, lineProtocol, {
      precision,
      nowNs: service.clock.nowNs(),
      isHashed: false,
    }, service);
    await service.ingest(segments, { isAppliedAwaited: false, ignoredCount, precision });
    return c.body(null, 204);
  });
  routes.get("/ping", (c) => c.body(null, 204, { "X-Influxdb-Version": INFLUX_VERSION }));
  return routes;
}

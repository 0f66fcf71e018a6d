import { type OpenAPIHono, z } from "@hono/zod-openapi";
import protobuf from "protobufjs/minimal.js";
import { OverloadError, StorageFullError } from "../src/base/errors.ts";
import { protocolOfName } from "../src/protocols/mod.ts";
import type { Service } from "../src/service/service.ts";
import { decodeRequest } from "./_body.ts";
import { type Problem, RequestError } from "./_problem.ts";
import { newRoutes, problems } from "./_schemas.ts";

const otlp = protocolOfName("otlp")!;

/** Where exporters send metrics to whose endpoint is `http://HOST:PORT/otlp`. */
const PATH = "/otlp/v1/metrics";

const MESSAGES = "application/x-protobuf";
const JSON_TYPE = "application/json";

/** Exporters try again after a 503, not after a 507. */
const RETRY_FULL_S = 60;

/** Codes of `google.rpc.Status` by status. */
const CODES: Readonly<Record<number, number>> = { 401: 16, 413: 8, 503: 14 };
const INVALID_ARGUMENT = 3;

/** For the reference page only. */
function describeRoute(routes: OpenAPIHono): void {
  const body = { schema: z.unknown() };
  routes.openAPIRegistry.registerPath({
    ...{
      method: "post",
      path: PATH,
      summary: "Stores the metrics that OpenTelemetry's exporters send (OTLP/HTTP)",
      request: { body: { content: { [MESSAGES]: body, [JSON_TYPE]: body } } },
    },
    responses: {
      200: {
        description: "Durable: fsynced before the answer; says what was left out",
        content: { [MESSAGES]: body, [JSON_TYPE]: body },
      },
      ...problems(400, 408, 413, 415, 503),
    },
  });
}

/** @throws {RequestError} neither of the two encodings */
function encodingOf(contentType: string): typeof MESSAGES | typeof JSON_TYPE {
  const mediaType = contentType.split(";", 1)[0]!.trim().toLowerCase();
  if (mediaType === MESSAGES || mediaType === JSON_TYPE) return mediaType;
  const given = contentType.slice(0, 100);
  const detail = `Content-Type is "${given}", expected ${MESSAGES} or ${JSON_TYPE}`;
  throw new RequestError("unsupported-media-type", 415, detail, { field: "Content-Type" });
}

/** An `ExportMetricsServiceResponse`: what was left out, where something was. */
function responseOf(encoding: string, rejected: number): string | Uint8Array<ArrayBuffer> {
  const errorMessage = "Points without a finite value, or a time from 1970 to 2261, are left out";
  if (encoding === JSON_TYPE) {
    const partialSuccess = { rejectedDataPoints: String(rejected), errorMessage };
    return JSON.stringify(rejected === 0 ? {} : { partialSuccess });
  }
  const writer = protobuf.Writer.create();
  if (rejected > 0) {
    // Field 1 of the response; in it field 1 is the count and field 2 the text.
    writer.uint32(10).fork().uint32(8).int64(rejected).uint32(18).string(errorMessage).ldelim();
  }
  return writer.finish().slice();
}

/** What exporters look for in a refusal: the members of a `google.rpc.Status`. */
export function otlpMembers(path: string, { status, detail }: Problem): Record<string, unknown> {
  return path === PATH ? { code: CODES[status] ?? INVALID_ARGUMENT, message: detail } : {};
}

/** OpenTelemetry's metrics: each series is a stream. */
export function otlpRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  describeRoute(routes);
  routes.post(PATH, async (c) => {
    const encoding = encodingOf(c.req.header("Content-Type") ?? "");
    const options = { isHashed: false };
    const { segments, ignoredCount } = await decodeRequest(c.req.raw, otlp, options, service);
    try {
      await service.ingest(segments, { isAppliedAwaited: false, ignoredCount });
    } catch (error) {
      if (!(error instanceof StorageFullError)) throw error;
      throw new OverloadError(error.message, RETRY_FULL_S);
    }
    return c.body(responseOf(encoding, ignoredCount), 200, { "Content-Type": encoding });
  });
  return routes;
}

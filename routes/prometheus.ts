import type { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "@hono/zod-openapi";
import { protocolOfName } from "../src/protocols/mod.ts";
import type { Service } from "../src/service/service.ts";
import { decodeRequest } from "./_body.ts";
import { RequestError } from "./_problem.ts";
import { newRoutes, problems } from "./_schemas.ts";

const remoteWrite = protocolOfName("remote_write")!;

/** Where Prometheus' own receiver listens. */
const PATH = "/api/v1/write";

/** The message of remote write 1.0, which a type without a parameter means, too. */
const MESSAGE = "prometheus.WriteRequest";

/** For the reference page only. */
function describeRoute(routes: OpenAPIHono): void {
  const mediaType = remoteWrite.mediaTypes[0]!;
  routes.openAPIRegistry.registerPath({
    ...{
      method: "post",
      path: PATH,
      summary: "Stores what Prometheus, or an agent that speaks its remote write 1.0, sends",
      request: { body: { content: { [mediaType]: { schema: z.string() } } } },
    },
    responses: {
      204: { description: "Durable: fsynced before the answer" },
      ...problems(400, 408, 413, 415, 503),
    },
  });
}

/** @throws {RequestError} another type, or a newer message: senders then fall back to this one */
function checkType(contentType: string): void {
  const [mediaType, ...parameters] = contentType.split(";").map((part) => part.trim());
  const message = parameters.find((part) => part.startsWith("proto="))?.slice(6) ?? MESSAGE;
  const isKnown = mediaType?.toLowerCase() === remoteWrite.mediaTypes[0] && message === MESSAGE;
  if (isKnown) return;
  const given = contentType.slice(0, 100);
  const detail = `Content-Type is "${given}", expected ${remoteWrite.mediaTypes[0]} of ${MESSAGE}`;
  throw new RequestError("unsupported-media-type", 415, detail, { field: "Content-Type" });
}

/** Prometheus' remote write: each series is a stream with the channel `value`. */
export function prometheusRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  describeRoute(routes);
  routes.post(PATH, async (c) => {
    checkType(c.req.header("Content-Type") ?? "");
    const options = { isHashed: false };
    const { segments, ignoredCount } = await decodeRequest(
      c.req.raw,
      remoteWrite,
      options,
      service,
    );
    await service.ingest(segments, { isAppliedAwaited: false, ignoredCount });
    return c.body(null, 204);
  });
  return routes;
}

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { ANOMALIES_MAX, type Service } from "../src/service/service.ts";
import { TIMESTAMP_NS_MAX, TIMESTAMP_NS_MIN } from "../src/signal/timestamp.ts";
import { parseBy } from "../src/base/parse.ts";
import { parseJson, readBody } from "./_body.ts";
import {
  anomalySchema,
  describeRequest,
  instant,
  jsonAnswer,
  newRoutes,
  problems,
  query,
  streamParams,
  wholeNumber,
} from "./_schemas.ts";

/** Alarms of one answer unless told otherwise. */
const LIMIT_DEFAULT = 1_000;

const getRoute = createRoute({
  method: "get",
  path: "/v1/streams/{id}/anomalies",
  summary: "Lists the alarms that opened, oldest first",
  request: {
    params: streamParams,
    query: query({
      from: instant.optional(),
      to: instant.optional(),
      limit: wholeNumber(1, ANOMALIES_MAX).optional(),
    }),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        anomalies: z.array(anomalySchema),
        next: z.string().nullable().openapi({ description: "`from` of the next page" }),
      }).openapi("Anomalies"),
      "One page",
    ),
    ...problems(400, 404, 503),
  },
});

/** Bytes of a body that says something of an alarm. */
export const FEEDBACK_BYTES_MAX = 4_096;

const feedbackBody = z.strictObject({ fine: z.boolean() }).openapi("AlarmFeedback");

const alarmName = z.string()
  .regex(/^(heartbeat|\d{1,15})$/, 'a whole number from 0 on, or "heartbeat"')
  .transform((name) => name === "heartbeat" ? name : Number(name));

const feedbackRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/streams/{id}/anomalies/{flag}/feedback",
  summary: "Says whether an alarm was fine",
  description: "Events of its kind (reason and loudest channel) open no alarm any more, unless " +
    "they are ten times rarer; `false` takes that back. Part of the stream's state. Of a missing " +
    "heartbeat: a silence that long is none to speak of any more, and its alarm ends.",
  request: {
    params: streamParams.extend({
      flag: alarmName.openapi({
        param: { name: "flag", in: "path" },
        type: "string",
        description: "`number` of the alarm, of which the last 64 of a stream are remembered; " +
          "`heartbeat` is the last one of a missing heartbeat",
      }),
    }),
    query: query({}),
  },
  responses: {
    200: jsonAnswer(
      z.object({
        id: z.string(),
        flag: z.union([z.int(), z.literal("heartbeat")]),
        fine: z.boolean(),
      }),
      "It is part of the state, and durable",
    ),
    ...problems(400, 404, 408, 413, 422, 503),
  },
});

/** @throws {ProtocolError | InvalidValueError} no JSON, or not what is asked for */
function parseFeedback(bytes: Uint8Array): boolean {
  return parseBy(feedbackBody, parseJson(bytes)).fine;
}

/** Alarms of stored streams. */
export function anomalyRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(getRoute, async (c) => {
    const { from, to, limit = LIMIT_DEFAULT } = c.req.valid("query");
    const range = { fromNs: from ?? TIMESTAMP_NS_MIN, toNs: to ?? TIMESTAMP_NS_MAX, limit };
    return c.json(await service.anomalies(c.req.valid("param").id, range), 200);
  });
  describeRequest(routes, feedbackRoute, {
    body: { content: { "application/json": { schema: feedbackBody } } },
  });
  routes.openapi(feedbackRoute, async (c) => {
    const { id, flag } = c.req.valid("param");
    const bytes = await readBody(c.req.raw, "FEEDBACK_BYTES_MAX", FEEDBACK_BYTES_MAX, service);
    return c.json(await service.giveFeedback(id, flag, parseFeedback(bytes)), 200);
  });
  return routes;
}

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { InvalidValueError, NotFoundError } from "../src/base/errors.ts";
import { parseBy } from "../src/base/parse.ts";
import { protocolOfName } from "../src/protocols/mod.ts";
import { BODY_BYTES_MAX, decodeBody } from "../src/protocols/protocol.ts";
import { BACKTEST_PICTURES } from "../src/service/backtest_port.ts";
import {
  BACKTEST_HORIZON_DEFAULT,
  BACKTEST_HORIZON_MAX,
  BACKTEST_ORIGINS_DEFAULT,
  BACKTEST_ORIGINS_MAX,
} from "../src/service/backtest_question.ts";
import { BACKTEST_STATES, type BacktestShape } from "../src/service/backtests.ts";
import type { GivenRange } from "../src/service/given_ranges.ts";
import type { Service } from "../src/service/service.ts";
import type { Segment } from "../src/signal/segment.ts";
import { parseTimestamp } from "../src/signal/timestamp.ts";
import { decodeRequest, parseJson, readBody } from "./_body.ts";
import { SAMPLE_MEMBERS, splitMembers } from "./_members.ts";
import { protocolOf } from "./observations.ts";
import {
  describeRequest,
  idParams,
  jsonAnswer,
  list,
  newRoutes,
  numberOrNull,
  numberText,
  precision,
  problems,
  query,
  wholeNumber,
} from "./_schemas.ts";
import { rangeSchema } from "./streams.ts";

/** Name of the stream in answers about samples that are sent along. */
const ANONYMOUS = "request";

const NO_MEMBERS = new TextEncoder().encode("{}");

const json = protocolOfName("json")!;

/** Nothing of a page or picture may load anything. */
const SEALED = { "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'" };

const TOLD = {
  horizon: `Samples ahead, to ${BACKTEST_HORIZON_MAX}; default ${BACKTEST_HORIZON_DEFAULT}, at ` +
    "most a quarter of the series",
  origins: `Windows, to ${BACKTEST_ORIGINS_MAX}; default ${BACKTEST_ORIGINS_DEFAULT}`,
  models: "Names of models; default: those of the program. Peers are always there",
  ranges: "By channel: bounds, inside of which the models' forecasts stay, and values that stand " +
    "for missing ones; they take the place of those that a stream has for the channel",
  seasonsS: "Lengths of seasons in seconds, in place of those that a stream declares; none = found",
};

const instantText = z.union([z.string(), z.int()]);

const bodyMembers = z.strictObject({
  stream: z.string().optional().openapi({ description: "Stream whose stored samples are used" }),
  channels: z.union([z.array(z.string()), z.record(z.string(), z.array(numberOrNull))]).optional()
    .openapi({ description: "Names of a stream's channels, or the samples themselves" }),
  from: instantText.optional(),
  to: instantText.optional(),
  horizon: z.number().optional().openapi({ description: TOLD.horizon }),
  origins: z.number().optional().openapi({ description: TOLD.origins }),
  models: z.array(z.string()).optional().openapi({ description: TOLD.models }),
  ranges: z.record(z.string(), rangeSchema).optional().openapi({ description: TOLD.ranges }),
  seasonsS: z.array(z.number()).optional().openapi({ description: TOLD.seasonsS }),
});

const questionSchema = bodyMembers.extend({
  timestamps: z.array(instantText).optional(),
  values: z.array(numberOrNull).optional(),
}).openapi("BacktestQuestion");

const postQuery = query({
  horizon: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().openapi({
    description: TOLD.horizon,
  }),
  origins: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional().openapi({
    description: TOLD.origins,
  }),
  models: list.optional().openapi({ description: TOLD.models }),
  seasonsS: list.pipe(z.array(numberText)).optional().openapi({
    type: "string",
    description: TOLD.seasonsS,
  }),
  lower: numberText.optional().openapi({ description: "No value of any column is below" }),
  upper: numberText.optional().openapi({ description: "No value of any column is above" }),
  columns: list.optional().openapi({ description: "Columns of a CSV file" }),
  timestampColumn: z.string().optional(),
  precision,
});

const forecasterSchema = z.object({
  name: z.string(),
  isPeer: z.boolean(),
  mae: numberOrNull,
  maeRatio: numberOrNull.openapi({ description: "Over the baseline's; below 1 is better" }),
  wql: numberOrNull,
  coverage80: numberOrNull,
  coverage95: numberOrNull,
  targetCount: z.int(),
  failed: z.int().openapi({ description: "Origins where the baseline was scored in its place" }),
  ms: z.number(),
  byLead: z.array(
    z.object({ lead: z.int(), count: z.int(), mae: numberOrNull, coverage80: numberOrNull }),
  ),
  windows: z.array(z.object({ origin: z.string(), mae: numberOrNull, coverage80: numberOrNull })),
});

const reportSchema = z.object({
  horizon: z.int(),
  origins: z.array(z.int()).openapi({ description: "Samples that were known, by window" }),
  baseline: z.string(),
  channels: z.array(z.object({ name: z.string(), forecasters: z.array(forecasterSchema) })),
}).openapi("BacktestReport");

const backtestSchema = z.object({
  id: z.string(),
  state: z.enum(BACKTEST_STATES),
  source: z.union([
    z.object({
      kind: z.literal("stream"),
      id: z.string(),
      from: z.string().nullable(),
      to: z.string().nullable(),
    }),
    z.object({ kind: z.literal("upload"), mediaType: z.string() }),
  ]),
  channels: z.array(z.string()),
  rows: z.int(),
  horizon: z.int(),
  origins: z.int(),
  models: z.array(z.string()),
  ranges: z.record(
    z.string(),
    z.object({ lower: z.number().optional(), upper: z.number().optional() }),
  ).openapi({ description: "Bounds of the channels that have some" }),
  seasonsS: z.array(z.number()).openapi({ description: "Declared seasons; none = found" }),
  progress: z.object({ done: z.int(), total: z.int() }),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  error: z.string().nullable(),
  report: reportSchema.nullable(),
}).openapi("Backtest");

const params = idParams("backtest");

const postRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/backtest",
  summary: "Asks how well models would have forecast a series from past origins",
  description: "A JSON body names a stream, or holds samples as `POST /v1/forecast` takes them. " +
    "Any other format in which samples are taken is the body itself, with the question in the " +
    "query. Models stand beside the last value, the last season, and MSTL and ETS where the " +
    "package is there.",
  request: { query: postQuery },
  responses: {
    202: jsonAnswer(backtestSchema, "The backtest, which waits or runs"),
    ...problems(400, 404, 408, 413, 415, 422, 503),
  },
});

const listRoute = createRoute({
  method: "get",
  path: "/v1/backtests",
  summary: "Lists the backtests without their reports, the newest first",
  request: { query: query({}) },
  responses: {
    200: jsonAnswer(z.object({ backtests: z.array(backtestSchema) }), "The backtests"),
    ...problems(400),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/backtests/{id}",
  summary: "Tells how a backtest goes, and what it found",
  request: { params, query: query({}) },
  responses: { 200: jsonAnswer(backtestSchema, "The backtest"), ...problems(400, 404) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/v1/backtests/{id}",
  summary: "Ends a backtest that waits or runs; forgets one that is over",
  request: { params, query: query({}) },
  responses: { 204: { description: "Done" }, ...problems(404) },
});

const pageRoute = createRoute({
  method: "get",
  path: "/v1/backtests/{id}/page",
  summary: "Tables and pictures of a finished backtest as a page",
  request: { params, query: query({}) },
  responses: {
    200: { description: "HTML", content: { "text/html": { schema: { type: "string" } } } },
    ...problems(400, 404),
  },
});

const pictureRoute = createRoute({
  method: "get",
  path: "/v1/backtests/{id}/picture",
  summary: "A picture of a finished backtest",
  request: {
    params,
    query: query({
      kind: z.enum(BACKTEST_PICTURES).optional().openapi({
        description: "Windows with their forecasts, or errors or coverage by lead",
      }),
      channel: z.string().optional().openapi({ description: "Default: the first" }),
    }),
  },
  responses: {
    200: { description: "SVG", content: { "image/svg+xml": { schema: { type: "string" } } } },
    ...problems(400, 404),
  },
});

/** A JSON body: a stream's name, or samples. */
async function askInJson(service: Service, request: Request): Promise<BacktestShape> {
  const bytes = await readBody(request, "BODY_BYTES_MAX", BODY_BYTES_MAX, service);
  const names = ["stream", "from", "to", "horizon", "origins", "models", "ranges", "seasonsS"];
  const parts = splitMembers(bytes, names, SAMPLE_MEMBERS);
  // No object: rows, or no JSON at all, which is then said here.
  if (parts === null) parseJson(bytes);
  const asked = parseBy(bodyMembers, parseJson(parts?.question ?? NO_MEMBERS));
  const { horizon, origins, models, ranges, seasonsS } = asked;
  const question = { horizon, origins, models, ranges, seasonsS };
  if (asked.stream !== undefined) {
    const { channels, from, to, stream } = parseBy(bodyMembers, parseJson(bytes));
    if (channels !== undefined && !Array.isArray(channels)) {
      throw new InvalidValueError("channels", "of samples", "names, since a stream is named too");
    }
    const instant = (given: string | number | undefined, field: string) =>
      given === undefined ? undefined : parseTimestamp(given, "ms", field);
    return await service.backtests.onStream({ ...question, channels }, {
      id: stream!,
      fromNs: instant(from, "from"),
      toNs: instant(to, "to"),
    });
  }
  for (const field of ["from", "to"] as const) {
    if (asked[field] === undefined) continue;
    throw new InvalidValueError(field, asked[field], "a stream too");
  }
  const { segments } = decodeBody(json, parts?.samples ?? bytes, { streamId: ANONYMOUS });
  return await service.backtests.onSegments(question, segments, json.mediaTypes[0]!);
}

/**
 * The bounds of a query, which are those of every column.
 *
 * @throws {InvalidValueError} nothing is between them
 */
function boundsOf(
  { lower, upper }: { lower?: number | undefined; upper?: number | undefined },
  segments: readonly Segment[],
): Record<string, GivenRange> {
  if (lower === undefined && upper === undefined) return {};
  if (lower !== undefined && upper !== undefined && lower >= upper) {
    throw new InvalidValueError("upper", upper, `more than ${lower}, which is lower`);
  }
  const columns = segments.flatMap(({ channels }) => channels);
  return Object.fromEntries(columns.map((name) => [name, { lower, upper }]));
}

/** Backtests and what they found. */
export function backtestRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  describeRequest(routes, postRoute, {
    body: {
      content: {
        "application/json": { schema: questionSchema },
        "text/csv": { schema: z.string() },
      },
    },
  });
  const tests = () => service.backtests;
  routes.openapi(postRoute, async (c) => {
    const type = (c.req.header("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
    const request = c.req.raw;
    const { columns, timestampColumn, precision: unit, lower, upper, ...question } = c.req.valid(
      "query",
    );
    let asked: BacktestShape;
    if (type === "application/json") {
      const [field] = Object.entries(c.req.valid("query")).find(([, value]) =>
        value !== undefined
      ) ?? [];
      if (field !== undefined) {
        throw new InvalidValueError(field, "in the query", "a member of the JSON body");
      }
      asked = await askInJson(service, request);
    } else {
      const protocol = protocolOf(request);
      const { segments } = await decodeRequest(request, protocol, {
        streamId: ANONYMOUS,
        precision: unit,
        timestampColumn,
        valueColumns: columns,
        nowNs: service.clock.nowNs(),
        startNs: 0n,
        isHashed: false,
      }, service);
      const ranges = boundsOf({ lower, upper }, segments);
      const [mediaType] = protocol.mediaTypes;
      asked = await tests().onSegments({ ...question, ranges }, segments, mediaType!);
    }
    return c.json(asked, 202, { Location: `/v1/backtests/${asked.id}` });
  });
  routes.openapi(listRoute, (c) => c.json({ backtests: tests().list() }, 200));
  routes.openapi(getRoute, (c) => c.json(tests().get(c.req.valid("param").id), 200));
  routes.openapi(deleteRoute, async (c) => {
    await tests().remove(c.req.valid("param").id);
    return c.body(null, 204);
  });
  routes.openapi(pageRoute, (c) => {
    return c.html(tests().outcome(c.req.valid("param").id).page, 200, SEALED);
  });
  routes.openapi(pictureRoute, (c) => {
    const { pictures } = tests().outcome(c.req.valid("param").id);
    const { kind = "windows", channel = Object.keys(pictures)[0]! } = c.req.valid("query");
    if (!Object.hasOwn(pictures, channel)) throw new NotFoundError("channel", channel);
    const headers = { ...SEALED, "Content-Type": "image/svg+xml" };
    return c.body(pictures[channel]![kind], 200, headers);
  });
  return routes;
}

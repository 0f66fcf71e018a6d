import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { InvalidValueError } from "../src/base/errors.ts";
import { type Lead, SCRAPE_LEADS_MAX, SCRAPE_STREAMS_MAX } from "../src/service/scrape.ts";
import type { Service } from "../src/service/service.ts";
import { METRICS_MEDIA_TYPE } from "../src/service/telemetry.ts";
import { parseQuestion } from "./_question.ts";
import { list, newRoutes, problems, query } from "./_schemas.ts";

/** Quantiles of a scrape unless told otherwise: the median and the bounds of 95 %. */
const QUANTILES_DEFAULT: readonly string[] = ["0.025", "0.5", "0.975"];

const UNITS_NS: Readonly<Record<string, bigint>> = {
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
};

const scrapeRoute = createRoute({
  method: "get",
  path: "/metrics/forecasts",
  summary: "Newest values, forecasts at leads and counts of alarms in Prometheus text format",
  request: {
    query: query({
      stream: z.union([z.string(), z.array(z.string())]).optional().openapi({
        description: `Only these, one a parameter; default: all, ${SCRAPE_STREAMS_MAX} at most`,
      }),
      lead: list.optional().openapi({
        description: "Times after the newest sample, parted by commas; default: its period, `next`",
        example: "15m,1h,1d",
      }),
      quantiles: list.optional().openapi({
        description: `Default ${QUANTILES_DEFAULT.join(",")}`,
        example: "0.025,0.5,0.975",
      }),
    }),
  },
  responses: {
    200: { description: "Gauges", content: { "text/plain": { schema: z.string() } } },
    ...problems(400, 404, 413, 422, 503),
  },
});

/** @throws {InvalidValueError} no such time, too many, or two of one length */
function parseLeads(texts: readonly string[]): Lead[] {
  if (texts.length > SCRAPE_LEADS_MAX) {
    throw new InvalidValueError("lead", texts.length, `1 to ${SCRAPE_LEADS_MAX}`);
  }
  const leads = texts.map((label, i) => {
    const [, count, unit] = /^([1-9]\d{0,5})([smhdw])$/.exec(label) ?? [];
    if (count !== undefined) return { label, ns: BigInt(count) * UNITS_NS[unit!]! };
    throw new InvalidValueError(`lead[${i}]`, label, "a time such as 30s, 15m, 1h, 1d or 1w");
  }).sort((a, b) => Number(a.ns - b.ns));
  const twice = leads.find(({ ns }, i) => i > 0 && leads[i - 1]!.ns === ns);
  if (twice === undefined) return leads;
  throw new InvalidValueError("lead", twice.label, "each time once");
}

/** Forecasts for Prometheus to scrape, so that its rules can compare with them. */
export function scrapeRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  routes.openapi(scrapeRoute, async (c) => {
    const { stream, lead, quantiles } = c.req.valid("query");
    const text = await service.forecastMetrics({
      streams: stream === undefined ? null : [stream].flat(),
      leads: parseLeads(lead ?? []),
      quantiles: parseQuestion({ quantiles: quantiles ?? QUANTILES_DEFAULT }).quantiles,
    });
    return c.text(text, 200, { "Content-Type": METRICS_MEDIA_TYPE });
  });
  return routes;
}

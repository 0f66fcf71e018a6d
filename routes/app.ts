import { OpenAPIHono } from "@hono/zod-openapi";
import type { Service } from "../src/service/service.ts";
import { alertRuleRoutes } from "./alert_rules.ts";
import { alertRoutes } from "./alerts.ts";
import { anomalyRoutes } from "./anomalies.ts";
import { backtestRoutes } from "./backtests.ts";
import { componentRoutes } from "./components.ts";
import { dashboard } from "./dashboard/mod.ts";
import { deviceRoutes } from "./devices.ts";
import { docsRoutes } from "./docs.ts";
import { eventRoutes } from "./events.ts";
import { forecastRoutes } from "./forecasts.ts";
import { healthRoutes } from "./health.ts";
import { jobRoutes } from "./jobs.ts";
import { modelRoutes } from "./models.ts";
import { influxMembers, influxRoutes } from "./influx.ts";
import { otlpMembers, otlpRoutes } from "./otlp.ts";
import { prometheusRoutes } from "./prometheus.ts";
import { innovationRoutes } from "./innovations.ts";
import { observationRoutes } from "./observations.ts";
import { proofRoutes } from "./proofs.ts";
import { reconcileRoutes } from "./reconcile.ts";
import { scrapeRoutes } from "./scrape.ts";
import { statelessRoutes } from "./stateless.ts";
import { streamRoutes } from "./streams.ts";
import { makeGuard } from "./_guard.ts";
import { problemResponse, RequestError } from "./_problem.ts";

export { createTrainingApp } from "./training.ts";

/** How the service shows itself at the door. */
export interface AppOptions {
  /** Bearer token that requests must carry; none = no check. */
  readonly token?: string | undefined;
  /** Names that requests may have as their host beside this machine's; null (default) = any. */
  readonly hosts?: readonly string[] | null | undefined;
}

const ABOUT = {
  openapi: "3.1.0",
  info: {
    title: "Driftline",
    version: "0.1.0",
    description: "Forecasts and anomaly flags from streams of samples.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
};

/** Methods that some route has for this path. */
function allowedMethods(app: OpenAPIHono, path: string): string[] {
  const methods = new Set<string>();
  for (const route of app.routes) {
    if (route.method === "ALL") continue;
    const pattern = route.path.replace(/[.+]/g, "\\$&").replace(/:\w+/g, "[^/]+");
    if (!new RegExp(`^${pattern}$`).test(path)) continue;
    methods.add(route.method);
    if (route.method === "GET") methods.add("HEAD");
  }
  return [...methods].sort();
}

function refuseUnknown(app: OpenAPIHono, request: Request, path: string): Response {
  const allowed = allowedMethods(app, path);
  if (allowed.length === 0 || allowed.includes(request.method)) {
    const detail = `Nothing is at ${path.slice(0, 200)}`;
    return problemResponse(new RequestError("not-found", 404, detail));
  }
  const detail = `${request.method} is not among ${allowed.join(", ")}`;
  const headers = { Allow: allowed.join(", ") };
  return problemResponse(new RequestError("method-not-allowed", 405, detail, { headers }));
}

/** A full disk refuses every write, and the log lies on a disk, too: one line in so long. */
const FULL_DISK_STEP_MS = 10_000;

/** The whole HTTP interface over one service. */
export function createApp(service: Service, options: AppOptions = {}): OpenAPIHono {
  const app = new OpenAPIHono();
  const guard = makeGuard(options.token, options.hosts ?? null);
  app.use(async (c, next) => {
    const startMs = service.clock.monotonicMs();
    guard(c.req.raw, c.req.path);
    await next();
    const elapsedS = (service.clock.monotonicMs() - startMs) / 1000;
    service.telemetry.countRequest(c.req.method, c.res.status, elapsedS);
  });
  for (
    const routes of [
      healthRoutes(service),
      streamRoutes(service),
      observationRoutes(service),
      forecastRoutes(service),
      componentRoutes(service),
      anomalyRoutes(service),
      alertRuleRoutes(service),
      alertRoutes(service),
      innovationRoutes(service),
      eventRoutes(service),
      statelessRoutes(service),
      reconcileRoutes(service),
      backtestRoutes(service),
      influxRoutes(service),
      prometheusRoutes(service),
      scrapeRoutes(service),
      otlpRoutes(service),
      proofRoutes(service),
      modelRoutes(service),
      jobRoutes(service),
      deviceRoutes(service),
    ]
  ) {
    app.route("/", routes);
  }
  app.doc31("/openapi.json", ABOUT);
  app.route("/", docsRoutes());
  app.route("/", dashboard());
  app.notFound((c) => refuseUnknown(app, c.req.raw, c.req.path));
  let fullToldMs = -Infinity;
  app.onError((error, c) => {
    const response = problemResponse(error, (problem) => ({
      ...influxMembers(c.req.path, problem),
      ...otlpMembers(c.req.path, problem),
    }));
    // An overload is no fault: it is counted as 503, and would fill the log.
    const isFault = response.status >= 500 && response.status !== 503;
    if (isFault && !c.req.raw.signal.aborted) {
      service.telemetry.countFailure("request");
      if (response.status === 507) {
        const nowMs = service.clock.monotonicMs();
        if (nowMs - fullToldMs < FULL_DISK_STEP_MS) return response;
        fullToldMs = nowMs;
        service.log.error("Requests are refused: {error}", { error: error.message });
        return response;
      }
      const stack = error.stack ?? String(error);
      service.log.error("{method} {path} failed: {stack}", {
        method: c.req.method,
        path: c.req.path,
        stack,
      });
    }
    return response;
  });
  return app;
}

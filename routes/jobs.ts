import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { JOB_STATES } from "../src/service/job_record.ts";
import type { Service } from "../src/service/service.ts";
import { TUNING_PARTS } from "../src/training/tuning.ts";
import { sendEvents, writeEvent } from "./_live.ts";
import { eventsAnswer, idParams, jsonAnswer, newRoutes, problems, query } from "./_schemas.ts";

const lineSchema = z.record(z.string(), z.number());

/** A job as it is answered. */
export const jobSchema = z.object({
  id: z.string(),
  state: z.enum(JOB_STATES),
  model: z.string().openapi({ description: "The model that it makes" }),
  base: z.string(),
  source: z.union([
    z.object({
      kind: z.literal("stream"),
      id: z.string(),
      from: z.string().nullable(),
      to: z.string().nullable(),
    }),
    z.object({ kind: z.literal("upload"), mediaType: z.string() }),
  ]),
  recipe: z.object({
    steps: z.int(),
    rate: z.number(),
    seed: z.int(),
    tune: z.enum(TUNING_PARTS),
    batch: z.int(),
    length: z.int(),
  }),
  channels: z.array(z.string()),
  rows: z.int(),
  step: z.int(),
  steps: z.int(),
  device: z.string().nullable(),
  parameters: z.int().nullable(),
  tunedParameters: z.int().nullable(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  heldOut: z.object({ before: z.number(), after: z.number() }).nullable()
    .openapi({ description: "Mean loss on windows that are never trained on" }),
  modelHash: z.string().nullable(),
  error: z.string().nullable(),
  metrics: z.array(lineSchema),
  evaluations: z.array(z.object({ step: z.int(), evaluation: lineSchema })),
}).openapi("Job");

const jobParams = idParams("job");

const listRoute = createRoute({
  method: "get",
  path: "/v1/jobs",
  summary: "Lists the jobs, the newest first",
  request: { query: query({}) },
  responses: {
    200: jsonAnswer(z.object({ jobs: z.array(jobSchema) }), "The jobs"),
    ...problems(400),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/jobs/{id}",
  summary: "Tells of one job",
  request: { params: jobParams, query: query({}) },
  responses: { 200: jsonAnswer(jobSchema, "The job"), ...problems(400, 404) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/v1/jobs/{id}",
  summary: "Ends a job that is under way, after its step; forgets one that is over",
  request: { params: jobParams, query: query({}) },
  responses: { 204: { description: "Done, or under way" }, ...problems(404) },
});

const eventsRoute = createRoute({
  method: "get",
  path: "/v1/jobs/{id}/events",
  summary: "Tells how a job goes, as server-sent events",
  description: "Events: `snapshot` with the job as it is, `state`, `metrics` (a line of the " +
    "training or of an evaluation), `dropped` when the listener was slow, and `end` with the job " +
    "as it ended.",
  request: { params: jobParams, query: query({}) },
  responses: {
    200: eventsAnswer("Events until the job ends"),
    ...problems(400, 404, 503),
  },
});

/** The jobs and how they go. */
export function jobRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  const jobs = () => service.models.jobs;
  routes.openapi(listRoute, (c) => c.json({ jobs: jobs().list() }, 200));
  routes.openapi(getRoute, (c) => c.json(jobs().get(c.req.valid("param").id), 200));
  routes.openapi(deleteRoute, async (c) => {
    await jobs().remove(c.req.valid("param").id);
    return c.body(null, 204);
  });
  routes.openapi(eventsRoute, (c) => {
    const { id } = c.req.valid("param");
    const subscription = jobs().subscribe(id);
    return sendEvents(c, subscription, {
      leave: () => jobs().unsubscribe(id, subscription),
      async open(stream) {
        const job = jobs().get(id);
        await writeEvent(stream, "snapshot", job);
        if (job.endedAt === null) return true;
        await writeEvent(stream, "end", job);
        return false;
      },
    });
  });
  return routes;
}

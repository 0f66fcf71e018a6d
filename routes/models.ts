import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { parseBy } from "../src/base/parse.ts";
import {
  JOB_BATCH_MAX,
  JOB_LENGTH_MAX,
  JOB_LENGTH_MIN,
  JOB_RATE_MAX,
  JOB_SEED_MAX,
  JOB_STEPS_MAX,
  RECIPE_DEFAULT,
  recipeOf,
} from "../src/service/job_record.ts";
import type { JobShape } from "../src/service/job_shape.ts";
import type { TuningQuestion } from "../src/service/model_service.ts";
import type { Service } from "../src/service/service.ts";
import { parseTimestamp } from "../src/signal/timestamp.ts";
import { TUNING_PARTS } from "../src/training/tuning.ts";
import { decodeRequest, parseJson, readBody } from "./_body.ts";
import { readForm } from "./_form.ts";
import { jobSchema } from "./jobs.ts";
import { protocolOf } from "./observations.ts";
import {
  describeRequest,
  jsonAnswer,
  list,
  newRoutes,
  precision,
  problems,
  query,
} from "./_schemas.ts";

/** Bytes of a question about a stream. */
export const TUNING_BYTES_MAX = 64 * 1024;

/** Name of the stream that a file without one is read as. */
const ANONYMOUS = "upload";

const modelSchema = z.object({
  name: z.string(),
  kind: z.string().openapi({ description: "What it is made of" }),
  origin: z.enum(["built-in", "trained"]),
  hash: z.string().openapi({ description: "SHA-256 of what decides its behaviour" }),
  parameters: z.int().openapi({ description: "Numbers that were learned; 0 without a network" }),
  stateBytesMax: z.int().openapi({ description: "Upper bound of one channel's state" }),
  base: z.string().nullable(),
  job: z.string().nullable(),
  createdAt: z.string().nullable(),
}).openapi("Model");

const modelParams = z.object({
  name: z.string().openapi({ param: { name: "name", in: "path" }, example: "committee" }),
});

const listRoute = createRoute({
  method: "get",
  path: "/v1/models",
  summary: "Lists the models that serve, the default first",
  request: { query: query({}) },
  responses: {
    200: jsonAnswer(z.object({ models: z.array(modelSchema) }), "The models"),
    ...problems(400),
  },
});

const getRoute = createRoute({
  method: "get",
  path: "/v1/models/{name}",
  summary: "Tells of one model",
  request: { params: modelParams, query: query({}) },
  responses: { 200: jsonAnswer(modelSchema, "The model"), ...problems(400, 404) },
});

const deleteRoute = createRoute({
  method: "delete",
  path: "/v1/models/{name}",
  summary: "Deletes a trained model that no stream has",
  request: { params: modelParams, query: query({}) },
  responses: { 204: { description: "Deleted" }, ...problems(404, 409) },
});

/** How a network is tuned; the ranges are checked where the limits have their names. */
const recipeShape = {
  steps: z.number().optional().openapi({
    description: `1 to ${JOB_STEPS_MAX}; default ${RECIPE_DEFAULT.steps}`,
  }),
  rate: z.number().optional().openapi({
    description: `Peak learning rate, to ${JOB_RATE_MAX}; default ${RECIPE_DEFAULT.rate}`,
  }),
  seed: z.number().optional().openapi({
    description: `0 to ${JOB_SEED_MAX}; default ${RECIPE_DEFAULT.seed}`,
  }),
  tune: z.enum(TUNING_PARTS).optional().openapi({
    description: "The whole network, or only the part behind its backbone; default network",
  }),
  batch: z.number().optional().openapi({
    description: `Windows of a step, 1 to ${JOB_BATCH_MAX}; default ${RECIPE_DEFAULT.batch}`,
  }),
  length: z.number().optional().openapi({
    description: `Samples of a window, ${JOB_LENGTH_MIN} to ${JOB_LENGTH_MAX}; ` +
      `default ${RECIPE_DEFAULT.length}`,
  }),
};

const named = {
  name: z.string().openapi({ description: "Name of the model to make" }),
  base: z.string().optional().openapi({ description: "Model to begin with; default neural" }),
};

const instantText = z.union([z.string(), z.int()]);

const streamQuestion = z.strictObject({
  ...named,
  stream: z.string().openapi({ description: "Stream whose stored samples are learned from" }),
  channels: z.array(z.string()).optional(),
  from: instantText.optional(),
  to: instantText.optional(),
  ...recipeShape,
}).openapi("TuningQuestion");

const fileQuestion = z.strictObject({
  ...named,
  columns: z.array(z.string()).optional(),
  timestampColumn: z.string().optional(),
  precision,
  ...recipeShape,
}).openapi("TuningFileQuestion");

type FileQuestion = z.infer<typeof fileQuestion>;

/** The base that is tuned where none is named. */
const BASE_DEFAULT = "neural";

/** A number in a query. */
const numeric = z.string().transform((text, context) => {
  const value = /^[\d.eE+-]+$/.test(text) ? Number(text) : NaN;
  if (Number.isNaN(value)) context.addIssue({ code: "custom", message: "expected a number" });
  return value;
}).optional().openapi({ type: "number" });

const postQuery = query({
  name: z.string().optional().openapi({ description: "With a file as the body: as in its JSON" }),
  base: z.string().optional(),
  columns: list.optional(),
  timestampColumn: z.string().optional(),
  precision,
  steps: numeric,
  rate: numeric,
  seed: numeric,
  tune: z.enum(TUNING_PARTS).optional(),
  batch: numeric,
  length: numeric,
});

const postRoute = createRoute({
  hide: true,
  method: "post",
  path: "/v1/models",
  summary: "Asks for a model to be tuned on a stream's samples, or on a file",
  description: "A JSON body names a stream. A file is sent as the body, in any format in which " +
    "samples are taken, with what is asked in the query; or as the part `file` of a form, with " +
    "what is asked as JSON in the part `question`.",
  request: { query: postQuery },
  responses: {
    202: jsonAnswer(jobSchema, "The job; it is on disk"),
    ...problems(400, 404, 408, 409, 413, 415, 422, 503),
  },
});

function questionOf(
  asked: Omit<FileQuestion, "columns" | "timestampColumn" | "precision">,
  channels: readonly string[] | undefined,
): TuningQuestion {
  const { name, base = BASE_DEFAULT, steps, rate, seed, tune, batch, length } = asked;
  const recipe = recipeOf({ steps, rate, seed, tune, batch, length });
  return { name, base, recipe, channels };
}

async function tuneOnStream(service: Service, request: Request): Promise<JobShape> {
  const bytes = await readBody(request, "TUNING_BYTES_MAX", TUNING_BYTES_MAX, service);
  const asked = parseBy(streamQuestion, parseJson(bytes));
  const instant = (field: "from" | "to") => {
    const given = asked[field];
    return given === undefined ? undefined : parseTimestamp(given, "ms", field);
  };
  return await service.models.tuneOnStream(questionOf(asked, asked.channels), {
    id: asked.stream,
    fromNs: instant("from"),
    toNs: instant("to"),
  });
}

/** A file as it comes, and what is asked of it. */
async function tuneOnFile(
  service: Service,
  request: Request,
  asked: FileQuestion,
): Promise<JobShape> {
  const question = questionOf(asked, undefined);
  const protocol = protocolOf(request);
  const { segments } = await decodeRequest(request, protocol, {
    streamId: ANONYMOUS,
    precision: asked.precision,
    timestampColumn: asked.timestampColumn,
    valueColumns: asked.columns,
    nowNs: service.clock.nowNs(),
    startNs: 0n,
    isHashed: false,
  }, service);
  return await service.models.tuneOnSegments(question, segments, protocol.mediaTypes[0]!);
}

async function tuneOnForm(service: Service, request: Request): Promise<JobShape> {
  const { question, file } = await readForm(request, service);
  const asked = parseBy(fileQuestion, question);
  return await tuneOnFile(service, file, asked);
}

/** Only what was given: a member that is undefined is none. */
function given<T extends object>(asked: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(asked).filter(([, value]) => value !== undefined),
  ) as Partial<T>;
}

/** What serves, and how more of it is made. */
export function modelRoutes(service: Service): OpenAPIHono {
  const routes = newRoutes();
  describeRequest(routes, postRoute, {
    body: {
      content: {
        "application/json": { schema: streamQuestion },
        "text/csv": { schema: z.string() },
        "multipart/form-data": {
          schema: z.object({
            question: fileQuestion,
            file: z.string().openapi({ format: "binary" }),
          }),
        },
      },
    },
  });
  routes.openapi(listRoute, (c) => c.json({ models: service.models.list() }, 200));
  routes.openapi(getRoute, (c) => {
    return c.json(service.models.get(c.req.valid("param").name), 200);
  });
  routes.openapi(deleteRoute, async (c) => {
    await service.models.remove(c.req.valid("param").name);
    return c.body(null, 204);
  });
  routes.openapi(postRoute, async (c) => {
    const type = (c.req.header("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
    const request = c.req.raw;
    const asked = given(c.req.valid("query"));
    const isFile = type !== "application/json" && type !== "multipart/form-data";
    const job = isFile
      ? await tuneOnFile(service, request, parseBy(fileQuestion, asked))
      : type === "application/json"
      ? await tuneOnStream(service, request)
      : await tuneOnForm(service, request);
    return c.json(job, 202, { Location: `/v1/jobs/${job.id}` });
  });
  return routes;
}

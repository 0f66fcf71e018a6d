/** `models`: what a running service serves, and its jobs. */
import { PORT_DEFAULT } from "../service/config.ts";
import type { JobShape } from "../service/job_shape.ts";
import type { ServingModel } from "../service/models.ts";
import { type Command, EXIT_FAILED, EXIT_OK, UsageError } from "./command.ts";
import { formatNumber, formatTable } from "./table.ts";

/** Hexadecimal digits of a hash that are shown. */
const HASH_SHOWN = 12;

/**
 * Asks a running service, with the token of the environment where there is one.
 *
 * @throws {Error} nothing answers, or the answer is a problem
 */
export async function readService<T>(origin: string, path: string): Promise<T> {
  const token = Deno.env.get("DRIFTLINE_TOKEN");
  const headers: HeadersInit = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(new URL(path, origin), { headers });
  const answer = await response.json();
  if (response.ok) return answer;
  throw new Error(`${answer.title}: ${answer.detail}`);
}

function modelTable(models: readonly ServingModel[]): string {
  const rows = models.map(({ name, kind, origin, base, parameters, stateBytesMax, hash }) => [
    name,
    kind,
    base === null ? origin : `${origin} from ${base}`,
    parameters === 0 ? "-" : String(parameters),
    String(stateBytesMax),
    hash.slice(0, HASH_SHOWN),
  ]);
  return formatTable(["model", "kind", "origin", "parameters", "state bytes", "hash"], rows);
}

function jobTable(jobs: readonly JobShape[]): string {
  const rows = jobs.map(({ id, model, state, step, steps, heldOut, createdAt }) => [
    id,
    model,
    state,
    `${step}/${steps}`,
    formatNumber(heldOut?.before ?? NaN),
    formatNumber(heldOut?.after ?? NaN),
    createdAt,
  ]);
  return formatTable(["job", "model", "state", "step", "before", "after", "asked for"], rows);
}

/** The verb. */
export const modelsCommand: Command = {
  name: "models",
  summary: "List the models and jobs of a running service",
  usage: "[--url URL]",
  description: "Before and after are the loss on samples that are never trained on.\n" +
    "DRIFTLINE_TOKEN is sent as the bearer token.",
  options: {
    url: {
      type: "string",
      value: "URL",
      help: `The service (default http://127.0.0.1:${PORT_DEFAULT})`,
    },
  },
  async run(input, output) {
    const origin = input.text("url") ?? `http://127.0.0.1:${PORT_DEFAULT}`;
    if (!URL.canParse(origin)) throw new UsageError(`--url is "${origin}", expected a URL`);
    try {
      const { models } = await readService<{ models: ServingModel[] }>(origin, "/v1/models");
      const { jobs } = await readService<{ jobs: JobShape[] }>(origin, "/v1/jobs");
      if (input.isSet("json")) output.print(JSON.stringify({ models, jobs }));
      else {output.print(
          [modelTable(models), ...jobs.length > 0 ? [jobTable(jobs)] : []].join("\n\n"),
        );}
      return EXIT_OK;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      output.note(`${origin} does not tell its models: ${reason}`);
      return EXIT_FAILED;
    }
  },
};

/** What a configuration names as data, ready to train on. */
import { datasetByName, DATASETS } from "../../../datasets/mod.ts";
import { taskByName, TASKS } from "../../../datasets/tasks/mod.ts";
import type { TaskShape } from "../../../datasets/tasks/mod.ts";
import { InvalidValueError, NotFoundError } from "../../base/errors.ts";
import type { BackboneInput } from "../../models/backbone_config.ts";
import { atPath } from "../../base/parse.ts";
import { protocolOfFile, protocols } from "../../protocols/mod.ts";
import type { Segment } from "../../signal/segment.ts";
import { mergeRows } from "../../service/merge.ts";
import { drawWindows, evenWindows, type Minibatch } from "../../training/examples.ts";
import { type SeriesPart, WINDOW_FEATURES } from "../../training/examples.ts";
import { columnsOf, type Loss } from "../../training/losses.ts";
import { lossOfTask } from "../../training/task_evaluation.ts";
import { decodeFile } from "../series_file.ts";
import type { DataConfig, TrainConfig } from "./config.ts";

/** Data that a backbone can be trained on. */
export interface TrainingData {
  readonly input: BackboneInput;
  /** Outputs of the model, and whether there is one row of them a sample or one in all. */
  readonly size: number;
  readonly isPooled: boolean;
  readonly loss: Loss;
  /** The minibatch of an index: always the same one. */
  readonly minibatch: (index: number) => Minibatch;
  /** Minibatches for evaluations, never trained on: the same each time. */
  readonly heldOut: () => Iterable<Minibatch>;
}

type SeriesConfig = Extract<DataConfig, { kind: "series" }>;

/**
 * Opens the data of a configuration: files are read, generators made ready.
 *
 * @throws {InvalidValueError} a file or setting does not fit; the field is named
 * @throws {ProtocolError} a file does not follow its format; the file is named
 * @throws {NotFoundError} a task's recordings are not there
 */
export async function openData(config: TrainConfig): Promise<TrainingData> {
  const { data } = config;
  switch (data.kind) {
    case "series":
      return seriesData(config, data, await readSeries(data));
    case "task":
      return await taskData(config, data);
    case "pretraining":
      throw new InvalidValueError("config.data.kind", data.kind, "series or task for a backbone");
    default:
      return data satisfies never;
  }
}

/** The columns of a segment that are asked for, in the order of their samples. */
function columnsOfSegment(segment: Segment, { columns }: SeriesConfig): readonly Float64Array[] {
  const { channels, values } = mergeRows(segment);
  const wanted = columns ?? channels;
  return values.filter((_, at) => wanted.includes(channels[at]!));
}

/** What a hub has under a name. @throws {InvalidValueError} it has none */
function namedIn<T>(
  hub: readonly { readonly name: string }[],
  find: (name: string) => T,
  field: string,
  name: string,
): T {
  try {
    return find(name);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const known = hub.map((member) => member.name).join(", ");
    throw new InvalidValueError(field, name, `one of ${known}`);
  }
}

/** The segments of a file. @throws {ProtocolError} it does not follow its format */
async function segmentsOf(file: string, field: string, data: SeriesConfig) {
  const protocol = protocolOfFile(file.replace(/\.gz$/, ""));
  if (protocol === undefined) {
    const known = protocols.flatMap(({ fileEndings }) => fileEndings).join(", ");
    throw new InvalidValueError(field, file, `a file ending in ${known}`);
  }
  const decoder = protocol.open({
    streamId: "file",
    precision: data.precision,
    timestampColumn: data.timestampColumn,
    valueColumns: data.columns,
    startNs: 0n,
    nowNs: 0n,
  });
  return (await decodeFile(file, decoder)).segments;
}

/**
 * The columns of the files and data sets, one series each.
 *
 * @throws {InvalidValueError} nothing in them was observed
 */
async function readSeries(data: SeriesConfig): Promise<Float64Array[]> {
  const columns: Float64Array[] = [];
  for (const [i, name] of data.datasets.entries()) {
    const dataset = namedIn(DATASETS, datasetByName, `config.data.datasets[${i}]`, name);
    columns.push(...columnsOfSegment(await dataset.load(), data));
  }
  for (const [i, file] of data.files.entries()) {
    for (const segment of await segmentsOf(file, `config.data.files[${i}]`, data)) {
      columns.push(...columnsOfSegment(segment, data));
    }
  }
  if (columns.length > 0 && !columns.some((values) => values.some(Number.isFinite))) {
    const names = [...data.datasets, ...data.files].join(", ");
    throw new InvalidValueError("config.data", names, "a series with observed values");
  }
  return columns;
}

function lossOfSeries({ quantiles }: SeriesConfig, kind: TrainConfig["loss"]): Loss {
  switch (kind) {
    case undefined:
      return { kind: "quantile", quantiles };
    case "quantile":
    case "quantileCrps":
      return { kind, quantiles };
    case "crossEntropy":
      throw new InvalidValueError("config.loss", kind, "a loss of numbers for series");
    default:
      return { kind };
  }
}

function seriesData(
  { training: { batch, seed, evaluation }, loss: kind }: TrainConfig,
  data: SeriesConfig,
  columns: readonly Float64Array[],
): TrainingData {
  const { context, horizon, heldOut } = data;
  const options = { context, horizon, batch, seed };
  const cut = (values: Float64Array) => Math.floor(values.length * (1 - heldOut));
  const early: SeriesPart[] = columns.map((values) => ({ values, from: 0, to: cut(values) }));
  // What is held out is forecast from a context that may reach into the part trained on.
  const late: SeriesPart[] = columns.map((values) => ({
    values,
    from: Math.max(0, cut(values) - context),
    to: values.length,
  }));
  const loss = lossOfSeries(data, kind);
  const test = evenWindows(late, options, evaluation?.examples ?? batch);
  return {
    input: { kind: "signal", feature: WINDOW_FEATURES },
    size: horizon * columnsOf(loss),
    isPooled: true,
    loss,
    minibatch: drawWindows(early, options),
    heldOut: () => test,
  };
}

function lossFor(shape: TaskShape, kind: TrainConfig["loss"]): Loss {
  const own = lossOfTask(shape);
  if (kind === undefined || kind === own.kind) return own;
  const isDistribution = kind === "gaussian" || kind === "gaussianCrps" || kind === "studentT";
  if (own.kind === "squaredError" && isDistribution) return { kind };
  throw new InvalidValueError("config.loss", kind, `${own.kind} or none for this task`);
}

async function taskData(
  { training: { batch, seed, evaluation }, loss: kind }: TrainConfig,
  data: Extract<DataConfig, { kind: "task" }>,
): Promise<TrainingData> {
  const task = namedIn(TASKS, taskByName, "config.data.name", data.name);
  const setting = { ...task.setting, ...data.setting };
  const shape = atPath("config.data.setting", () => task.shape(setting));
  const { output } = shape;
  const loss = lossFor(shape, kind);
  const draw = await task.open();
  const request = { seed, batch, setting };
  const examples = evaluation?.examples ?? batch;
  const tests = Math.max(1, Math.floor(examples / batch));
  return {
    input: shape.input,
    size: output.kind === "classes" ? output.size : output.size * columnsOf(loss),
    isPooled: output.kind === "classes" && output.at === "end",
    loss,
    minibatch: (step) => draw({ ...request, step, split: "train" }),
    heldOut: function* () {
      for (let step = 0; step < tests; step++) yield draw({ ...request, step, split: "test" });
    },
  };
}

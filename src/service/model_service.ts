import { ConflictError, InvalidValueError, LimitError, NotFoundError } from "../base/errors.ts";
import type { Segment } from "../signal/segment.ts";
import { formatTimestamp } from "../signal/timestamp.ts";
import { PAGE_MAX, type Store } from "../stores/store.ts";
import type { TuningRecipe } from "../training/tuning.ts";
import type { DevicesShape, DeviceWatch } from "./devices.ts";
import type { JobRows } from "./job_files.ts";
import { JOB_ROWS_MIN, JOB_SERIES_MAX, JOB_VALUES_MAX } from "./job_record.ts";
import type { JobShape } from "./job_shape.ts";
import type { Jobs } from "./jobs.ts";
import type { ServingModel, TrainedModels } from "./models.ts";
import { onlySegment, readRange, type StreamRange } from "./range.ts";

/** What a tuning is asked with, wherever its samples come from. */
export interface TuningQuestion {
  /** Name of the model to make. */
  readonly name: string;
  /** Name of the model to begin with. */
  readonly base: string;
  readonly recipe: TuningRecipe;
  /** Only these channels; undefined = all. */
  readonly channels?: readonly string[] | undefined;
}

/** What the use cases of models stand on. */
export interface ModelServiceParts {
  readonly store: Store;
  readonly models: TrainedModels;
  readonly jobs: Jobs;
  readonly devices: DeviceWatch;
  /** Files of the networks that come with the program, by name. */
  readonly shipped: ReadonlyMap<string, Uint8Array>;
}

/** The use cases of models: what serves, what is made of it, and by which jobs. */
export class ModelService {
  readonly #parts: ModelServiceParts;

  constructor(parts: ModelServiceParts) {
    this.#parts = parts;
  }

  get jobs(): Jobs {
    return this.#parts.jobs;
  }

  /** What jobs run on. */
  devices(): DevicesShape {
    return this.#parts.devices.shape;
  }

  list(): ServingModel[] {
    return this.#parts.models.list();
  }

  /** @throws {NotFoundError} no such model */
  get(name: string): ServingModel {
    return this.#parts.models.get(name);
  }

  /** @throws {InvalidValueError} no such model; the message lists those there are */
  require(name: string, field?: string): void {
    this.#parts.models.require(name, field);
  }

  /**
   * Takes a trained model away.
   *
   * @throws {NotFoundError | ConflictError} no such model, or a stream needs it
   */
  async remove(name: string): Promise<void> {
    const { models } = this.#parts;
    if (models.get(name).origin === "trained") {
      const user = await this.#userOf(name);
      if (user !== null) throw new ConflictError(`Stream "${user}" has the model "${name}"`);
    }
    await models.remove(name);
  }

  /** A stream that has the model. */
  async #userOf(name: string): Promise<string | null> {
    let after = "";
    for (;;) {
      const page = await this.#parts.store.listStreams({ after, limit: PAGE_MAX });
      const user = page.find(({ settings }) => settings.model === name);
      if (user !== undefined) return user.id;
      if (page.length < PAGE_MAX) return null;
      after = page.at(-1)!.id;
    }
  }

  /**
   * Asks for a tuning on a stream's samples.
   *
   * @throws {NotFoundError | InvalidValueError | ConflictError | LimitError | OverloadError} what
   *   is asked for cannot be done; nothing was begun
   */
  async tuneOnStream(question: TuningQuestion, range: StreamRange): Promise<JobShape> {
    const { id, fromNs, toNs } = range;
    const record = await this.#parts.store.getStream(id);
    if (record === null) throw new NotFoundError("stream", id);
    requireChannels(question.channels, record.channels);
    const timeOf = (timeNs: bigint | undefined) =>
      timeNs === undefined ? null : formatTimestamp(timeNs);
    const source = { kind: "stream", id, from: timeOf(fromNs), to: timeOf(toNs) } as const;
    return await this.#submit(question, source, async () => {
      const wanted = question.channels ?? record.channels;
      const segment = await readRange(this.#parts.store, range, wanted, checkValues);
      return rowsOf(segment, wanted, record.settings.seasonsS);
    });
  }

  /** Asks for a tuning on samples that are sent along; as {@linkcode tuneOnStream}. */
  tuneOnSegments(
    question: TuningQuestion,
    segments: readonly Segment[],
    mediaType: string,
  ): Promise<JobShape> {
    const segment = onlySegment(segments);
    requireChannels(question.channels, segment.channels);
    const rows = rowsOf(segment, question.channels, []);
    return this.#submit(question, { kind: "upload", mediaType }, () => Promise.resolve(rows));
  }

  async #submit(
    { name, base, recipe }: TuningQuestion,
    source: JobShape["source"],
    read: () => Promise<JobRows>,
  ): Promise<JobShape> {
    const { models, jobs } = this.#parts;
    models.checkFree(name);
    const file = await this.#baseFile(base);
    return await jobs.submit({ model: name, base, recipe, source }, file, read);
  }

  /** @throws {InvalidValueError} no such network; the message lists those there are */
  async #baseFile(base: string): Promise<Uint8Array> {
    const { models, shipped } = this.#parts;
    const file = await models.file(base) ?? shipped.get(base);
    if (file !== undefined) return file;
    const trained = models.list().filter(({ origin }) => origin === "trained");
    const networks = [...shipped.keys(), ...trained.map(({ name }) => name)];
    const known = networks.length > 0
      ? `one of ${networks.join(", ")}`
      : "a network; there is none";
    throw new InvalidValueError("base", base, known);
  }

  /**
   * Files of the networks that come with the program, and of the trained ones among `names`.
   *
   * @throws {InvalidValueError} no such model; the message lists those there are
   */
  async files(names: readonly string[]): Promise<Map<string, Uint8Array>> {
    const { models, shipped } = this.#parts;
    const files = new Map(shipped);
    for (const name of names) {
      models.require(name);
      const file = await models.file(name);
      if (file !== undefined) files.set(name, file);
    }
    return files;
  }

  /** Ends the listeners to jobs, and takes no more. */
  beginShutdown(): void {
    this.#parts.jobs.beginShutdown();
  }

  /** Stops the job under way; it goes on after the next start. */
  async close(): Promise<void> {
    await this.#parts.jobs.close();
  }
}

function checkValues(values: number): void {
  if (values > JOB_VALUES_MAX) {
    throw new LimitError("JOB_VALUES_MAX", JOB_VALUES_MAX, values, "samples");
  }
}

function requireChannels(asked: readonly string[] | undefined, known: readonly string[]): void {
  for (const name of asked ?? []) {
    if (known.includes(name)) continue;
    throw new InvalidValueError("channels", name, `some of ${known.slice(0, 20).join(", ")}`);
  }
}

/** @throws {InvalidValueError | LimitError} too many series or values, or too few rows */
function rowsOf(
  segment: Segment,
  channels: readonly string[] | undefined,
  seasonsS: readonly number[],
): JobRows {
  const wanted = channels ?? segment.channels;
  if (wanted.length > JOB_SERIES_MAX) {
    throw new LimitError("JOB_SERIES_MAX", JOB_SERIES_MAX, wanted.length, "channels");
  }
  const length = segment.timestampsNs.length;
  if (length < JOB_ROWS_MIN) {
    throw new InvalidValueError("samples", length, `at least ${JOB_ROWS_MIN} of them`);
  }
  checkValues(length * wanted.length);
  return {
    channels: [...wanted],
    // Copies: a part of a page would take the whole page along to the disk.
    timestampsNs: segment.timestampsNs.slice(),
    values: wanted.map((name) =>
      // A channel of the stream may have no value in this range.
      segment.values[segment.channels.indexOf(name)]?.slice() ?? new Float64Array(length).fill(NaN)
    ),
    seasonsS,
  };
}

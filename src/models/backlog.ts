/**
 * Backlogs of many streams, absorbed by the parallel form: what waits after a restart, a gap in the
 * network or a backfill, and what a backtest runs over.
 *
 * Streams wait with different numbers of samples, and a padded sample would not leave a state as it
 * was (a convolution's past moves on). So each backlog is cut into pieces of the same few lengths,
 * a chunk as often as it fits and then falling powers of two,
 *
 *   length = k·chunk + 2^a + 2^b + …,   a > b > …
 *
 * and streams whose next piece has the same length run together. States stay on the device; rows
 * that a run leaves out are carried over by `gather_rows`. Nothing is read before the caller reads
 * the result. The result is that of stepping sample by sample up to the rounding of the parallel
 * form (`tests/models/backlog_test.ts` states it).
 */
import { InvalidValueError } from "../base/errors.ts";
import { type Device, type DeviceTensor, openScope, type ScopedDevice } from "../device/mod.ts";
import type { LayerState } from "../layers/mod.ts";
import { gatherRows, type OpInput, runOp } from "../ops/mod.ts";
import { expectAxis, expectShape, sizeOf } from "../tensor/shape.ts";
import { asDtype, type Dtype, type FloatArray, floatArray } from "../tensor/tensor.ts";
import { reshape, type Tensor, tensorOf } from "../tensor/tensor.ts";
import type { Backbone, BackboneTensors } from "./backbone.ts";

/** Samples of one stream that wait, in time order. */
export interface Backlog {
  /**                                              [length, feature], or of tokens [length] */
  readonly input: Tensor;
  /** Elapsed time of each sample in sampling periods; 1 where absent.             [length] */
  readonly dtScale?: FloatArray | undefined;
}

/** Options of {@linkcode absorbBacklogs}. */
export interface BacklogOptions {
  /** State of every stream to go on from, batch first; the initial state where absent. */
  readonly state?: Readonly<Record<string, OpInput>> | undefined;
  /** Samples of one run of the parallel form, over all its streams: a bound of its memory. */
  readonly samplesMax?: number | undefined;
  /**
   * Keeps the output after every so many samples of a stream, not only after the last: the
   * forecasts from rolling origins.
   */
  readonly every?: number | undefined;
}

/** Where an output was made: after how many samples of which stream. */
export interface Origin {
  readonly stream: number;
  readonly sample: number;
}

/** What {@linkcode absorbBacklogs} gives, on the device; the caller frees it. */
export interface Absorbed {
  /** Output after each stream's last sample, NaN for a stream without samples. [stream, output] */
  readonly y: DeviceTensor;
  /** State of every stream, by flat name, batch first. */
  readonly state: Readonly<Record<string, DeviceTensor>>;
  /** Where the rows of `outputs` were made; none without {@linkcode BacklogOptions.every}. */
  readonly origins: readonly Origin[];
  /** Output at each origin; undefined where there is none.                [origin, output] */
  readonly outputs: DeviceTensor | undefined;
}

/** Longest piece: longer ones need more memory for a stream and are no faster. */
export const BACKLOG_CHUNK = 4096;
/**
 * Where {@linkcode BacklogOptions.samplesMax} is absent a run has so many elements of a width: a
 * Mamba layer then has about 0.6 GiB at once, within a device's default budget.
 */
export const BACKLOG_FLOATS = 1 << 23;

/** Streams whose next pieces have one length, and where in its backlog each begins. */
export interface BacklogRun {
  readonly length: number;
  readonly streams: readonly number[];
  readonly starts: readonly number[];
}

/** Length of the next piece of what remains. */
function pieceOf(remaining: number, chunk: number): number {
  return remaining >= chunk ? chunk : 2 ** Math.floor(Math.log2(remaining));
}

/**
 * Cuts backlogs into runs, in an order in which each stream's pieces follow one another.
 *
 * @param lengths    samples of each stream
 * @param samplesMax most samples of a run; at least one stream runs whatever it says
 */
export function planRuns(lengths: readonly number[], samplesMax: number): BacklogRun[] {
  const chunk = Math.min(BACKLOG_CHUNK, 2 ** Math.floor(Math.log2(Math.max(1, samplesMax))));
  const done = lengths.map(() => 0);
  const runs: BacklogRun[] = [];
  while (true) {
    const next = lengths.map((length, i) =>
      done[i]! < length ? pieceOf(length - done[i]!, chunk) : 0
    );
    const length = next.reduce((a, b) => Math.max(a, b), 0);
    if (length === 0) return runs;
    const waiting = [...next.keys()].filter((i) => next[i] === length);
    const rows = Math.max(1, Math.floor(samplesMax / length));
    for (let at = 0; at < waiting.length; at += rows) {
      const streams = waiting.slice(at, at + rows);
      runs.push({ length, streams, starts: streams.map((i) => done[i]!) });
    }
    for (const i of waiting) done[i]! += length;
  }
}

function check({ config: { input: wanted } }: Backbone, backlogs: readonly Backlog[]): Dtype {
  const axes = wanted.kind === "tokens" ? ["length"] : ["length", "feature"];
  const dtype = backlogs[0]?.input.dtype;
  if (dtype === undefined) throw new InvalidValueError("backlogs.length", 0, "at least 1");
  backlogs.forEach(({ input, dtScale }, i) => {
    expectAxis(`rank of backlogs[${i}].input`, axes.length, input.shape.length);
    if (wanted.kind !== "tokens") {
      expectAxis(`backlogs[${i}].input.feature`, wanted.feature, input.shape[1]);
    }
    if (input.dtype !== dtype) {
      throw new InvalidValueError(`backlogs[${i}].input.dtype`, input.dtype, `${dtype} as others`);
    }
    if (!dtScale) return;
    expectAxis(`backlogs[${i}].dtScale`, input.shape[0]!, dtScale.length);
    const at = dtScale.findIndex((scale: number) => !(scale >= 0 && scale < Infinity));
    if (at < 0) return;
    const field = `backlogs[${i}].dtScale[${at}]`;
    throw new InvalidValueError(field, dtScale[at], "a finite number of at least 0");
  });
  return dtype;
}

/** The samples of a run, one stream after another, and their elapsed times. */
function samplesOf({ length, streams, starts }: BacklogRun, backlogs: readonly Backlog[]) {
  const [first] = backlogs as readonly [Backlog];
  const row = first.input.shape.slice(1);
  const width = sizeOf(row);
  const data = floatArray(first.input.dtype, streams.length * length * width);
  const elapsed = floatArray(first.input.dtype, streams.length * length).fill(1);
  streams.forEach((stream, i) => {
    const { input, dtScale } = backlogs[stream]!;
    const [from, to] = [starts[i]!, starts[i]! + length];
    data.set(input.data.subarray(from * width, to * width), i * length * width);
    if (dtScale) elapsed.set(dtScale.subarray(from, to), i * length);
  });
  const isTimed = streams.some((stream) => backlogs[stream]!.dtScale !== undefined);
  return {
    input: tensorOf([streams.length, length, ...row], data),
    dtScale: isTimed ? tensorOf([streams.length, length], elapsed) : undefined,
  };
}

function numbers(device: Device, dtype: Dtype, rows: readonly number[]): DeviceTensor {
  const data = floatArray(dtype, rows.length);
  data.set(rows);
  return device.upload(tensorOf([rows.length], data));
}

/** What all streams have so far; runs replace rows of it. */
class Rows {
  readonly #scope: ScopedDevice;
  readonly #dtype: Dtype;
  readonly #streams: number;
  #tensors: Readonly<Record<string, DeviceTensor>>;

  constructor(scope: ScopedDevice, dtype: Dtype, tensors: Readonly<Record<string, DeviceTensor>>) {
    this.#scope = scope;
    this.#dtype = dtype;
    this.#tensors = tensors;
    this.#streams = Object.values(tensors)[0]!.shape[0]!;
  }

  /** The rows of some streams; all tensors themselves where it is all streams. */
  take(on: ScopedDevice, streams: readonly number[]): Readonly<Record<string, DeviceTensor>> {
    if (streams.length === this.#streams) return this.#tensors;
    const rows = numbers(on, this.#dtype, streams);
    return mapValues(this.#tensors, (a) => runOp(on, gatherRows, { a, rows }, {}).out);
  }

  /** Replaces the rows of some streams. */
  put(streams: readonly number[], made: Readonly<Record<string, DeviceTensor>>): void {
    const old = this.#tensors;
    if (streams.length === this.#streams) {
      this.#tensors = made;
    } else {
      const from = Array.from({ length: this.#streams }, (_, i) => i);
      streams.forEach((stream, i) => from[stream] = this.#streams + i);
      const rows = numbers(this.#scope, this.#dtype, from);
      this.#tensors = mapValues(
        old,
        (a, name) => runOp(this.#scope, gatherRows, { a, b: made[name]!, rows }, {}).out,
      );
      this.#free([rows, ...Object.values(made)]);
    }
    this.#free(Object.values(old));
  }

  /** The rows of all streams. */
  get all(): Readonly<Record<string, DeviceTensor>> {
    return this.#tensors;
  }

  #free(tensors: readonly DeviceTensor[]): void {
    for (const tensor of tensors) this.#scope.free(tensor);
  }
}

function mapValues<A, B>(
  values: Readonly<Record<string, A>>,
  map: (value: A, name: string) => B,
): Record<string, B> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, map(value, name)]),
  );
}

/** Name of the last outputs among the rows that runs replace; no layer's tensor begins so. */
const Y = "y";

/** Outputs at rolling origins, kept in the order of the runs. */
class Origins {
  readonly #scope: ScopedDevice;
  readonly #every: number;
  readonly at: Origin[] = [];
  #outputs: DeviceTensor | undefined;

  constructor(scope: ScopedDevice, every: number) {
    this.#scope = scope;
    this.#every = every;
  }

  get outputs(): DeviceTensor | undefined {
    return this.#outputs;
  }

  /** Keeps what is an origin among the samples of a run, which are rows of `samples`. */
  keep({ length, streams, starts }: BacklogRun, samples: DeviceTensor): void {
    const rows: number[] = [];
    streams.forEach((stream, i) => {
      const skipped = starts[i]! % this.#every;
      for (let k = this.#every - 1 - skipped; k < length; k += this.#every) {
        this.at.push({ stream, sample: starts[i]! + k + 1 });
        rows.push(i * length + k);
      }
    });
    if (rows.length === 0) return;
    const before = this.#outputs;
    const own = numbers(this.#scope, samples.dtype, rows);
    const made = runOp(this.#scope, gatherRows, { a: samples, rows: own }, {}).out;
    this.#scope.free(own);
    this.#outputs = before === undefined ? made : this.#joined(before, made);
  }

  #joined(a: DeviceTensor, b: DeviceTensor): DeviceTensor {
    const count = a.shape[0]! + b.shape[0]!;
    const rows = numbers(this.#scope, a.dtype, Array.from({ length: count }, (_, i) => i));
    const { out } = runOp(this.#scope, gatherRows, { a, b, rows }, {});
    for (const tensor of [a, b, rows]) this.#scope.free(tensor);
    return out;
  }
}

/** What runs fill, and what they read. */
interface Work {
  readonly backbone: Backbone;
  readonly tensors: BackboneTensors;
  readonly backlogs: readonly Backlog[];
  readonly rows: Rows;
  readonly origins: Origins | undefined;
}

/**
 * Absorbs what waits of many streams at once.
 *
 * @param tensors  the backbone's parameters, on the host or (kept there) on the device
 * @param backlogs one for each stream; a stream without samples stays as it is
 * @returns        outputs and states, on the device, not yet read
 * @throws {ShapeError} an axis of a backlog or of the state differs
 * @throws {InvalidValueError} no backlog, dtypes differ, an elapsed time or `every` is no such, or
 *   the output is a mean over the length
 */
export function absorbBacklogs(
  device: Device,
  backbone: Backbone,
  tensors: BackboneTensors,
  backlogs: readonly Backlog[],
  options: BacklogOptions = {},
): Absorbed {
  const dtype = check(backbone, backlogs);
  const { width } = backbone.config;
  const { every, samplesMax = Math.max(1, Math.floor(BACKLOG_FLOATS / width)) } = options;
  if (every !== undefined && !(Number.isInteger(every) && every >= 1)) {
    throw new InvalidValueError("every", every, "an integer of at least 1");
  }
  const { output: { pool, size } } = backbone.config;
  if (pool !== "none") throw new InvalidValueError("output.pool", pool, "none in a stream");
  const count = backlogs.length;
  const scope = openScope(device);
  try {
    const none = tensorOf([count, size], floatArray(dtype, count * size).fill(NaN));
    const begin = beginStates(scope, backbone.initialState(count, dtype), options.state ?? {});
    const rows = new Rows(scope, dtype, { ...begin, [Y]: scope.upload(none) });
    const origins = every === undefined ? undefined : new Origins(scope, every);
    const lengths = backlogs.map(({ input }) => input.shape[0]!);
    for (const run of planRuns(lengths, samplesMax)) {
      absorbRun(scope, run, { backbone, tensors, backlogs, rows, origins });
    }
    const { [Y]: y, ...state } = rows.all;
    for (const tensor of Object.values(rows.all)) scope.keep(tensor);
    if (origins?.outputs) scope.keep(origins.outputs);
    return { y: y!, state, origins: origins?.at ?? [], outputs: origins?.outputs };
  } finally {
    scope.release();
  }
}

/** The states to go on from: copies, since runs free what they replace. */
function beginStates(
  scope: ScopedDevice,
  initial: LayerState,
  carried: Readonly<Record<string, OpInput>>,
): Record<string, DeviceTensor> {
  return mapValues(initial, (own, name) => {
    const given = carried[name] ?? own;
    const axes = own.shape.map((_, i) => i === 0 ? "stream" : `${i}`);
    expectShape(name, axes, own.shape, given.shape);
    if (!("buffer" in given)) return scope.upload(asDtype(given, own.dtype));
    const all = Array.from({ length: own.shape[0]! }, (_, i) => i);
    const rows = numbers(scope, own.dtype, all);
    const { out } = runOp(scope, gatherRows, { a: given, rows }, {});
    scope.free(rows);
    return out;
  });
}

/** One run of the parallel form. */
function absorbRun(scope: ScopedDevice, run: BacklogRun, work: Work): void {
  const { length, streams } = run;
  const { input, dtScale } = samplesOf(run, work.backlogs);
  const inner = openScope(scope);
  try {
    const { [Y]: _, ...state } = work.rows.take(inner, streams);
    const result = work.backbone.forward(inner, work.tensors, input, { state, dtScale });
    const size = result.y.shape.at(-1)!;
    const samples = reshape(result.y, [streams.length * length, size]);
    work.origins?.keep(run, samples);
    const last = numbers(inner, input.dtype, streams.map((_, i) => (i + 1) * length - 1));
    const { out } = runOp(inner, gatherRows, { a: samples, rows: last }, {});
    const made = { ...result.state, [Y]: out };
    for (const tensor of Object.values(made)) inner.keep(tensor);
    // From here the outer scope has them.
    work.rows.put(streams, made);
  } finally {
    inner.release();
  }
}

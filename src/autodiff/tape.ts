/**
 * Gradients by recording: a tape takes down every op that runs on its device and replays them
 * backwards (reverse accumulation; Griewank and Walther, "Evaluating Derivatives", chapter 3).
 *
 * A tape's `device` goes wherever a device goes. Ops of watched tensors, and of what was computed
 * from them, are recorded; all others run as ever. Everything is issued without waiting: neither
 * the recording nor the way back reads anything to the host.
 *
 * Memory: what a caller frees lives on only where a backward needs its value (each op names what it
 * needs), and goes back as soon as the last such backward has run. {@linkcode Tape.checkpoint}
 * keeps nothing of a segment but its inputs and outputs, and runs it again on the way back.
 */
import { openScope } from "../device/scope.ts";
import type { Device, DeviceTensor } from "../device/device.ts";
import { packHalf, unpackHalf } from "../ops/_helpers/half_storage.ts";
import { gradientName, needsOf } from "../ops/op.ts";
import type { Homes, OpInput, OpRun, RecordingDevice } from "../ops/run.ts";
import { runBackward } from "../ops/run.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Dtype, reshape, type Tensor } from "../tensor/tensor.ts";
import { GradientSums, type Held, type Holder } from "./gradients.ts";
import { HALF_ELEMENTS_MIN, mayBeHalf } from "./half.ts";

/** A tensor and the gradient of the loss with respect to it, of the same size. */
export type Seed = readonly [output: DeviceTensor, gradient: OpInput];

/** A recording of one iteration. */
export interface Tape {
  /** The device that records: runs everything on the tape's device, and takes ops down. */
  readonly device: Device;
  /**
   * Marks a tensor as one whose gradient is wanted.
   *
   * @param home  memory of the caller's for the gradient, of the tensor's size: ops write there
   *              what they can, and {@linkcode Tape.gradient} gives a tensor beside it where not
   * @returns     the same tensor
   */
  watch<T extends DeviceTensor>(tensor: T, home?: DeviceTensor): T;
  /**
   * Runs a segment without keeping what its own backward needs, and runs it again on the way back:
   * its memory for a second forward.
   *
   * @param inputs  every watched or computed tensor that the segment uses
   * @param segment a pure function: the same inputs give the same outputs, none of which is an
   *                input itself
   * @throws {TypeError} an output is one of the inputs, or the segment holds another one
   */
  checkpoint<O extends Readonly<Record<string, DeviceTensor>>>(
    inputs: readonly DeviceTensor[],
    segment: (device: Device) => O,
  ): O;
  /**
   * Replays the recording backwards from the gradients of some outputs, and forgets it. Gradients
   * of watched tensors add up until {@linkcode Tape.release}. Where it throws, for want of memory
   * or since the device is gone, only {@linkcode Tape.release} is left to be called.
   *
   * @throws {TypeError} a seed was not computed from a watched tensor, or has been passed back
   *                     already
   */
  backward(seeds: readonly Seed[]): void;
  /** The gradient of a watched tensor; undefined where no loss depends on it. */
  gradient(tensor: DeviceTensor): DeviceTensor | undefined;
  /** Frees the gradients, what the recording still keeps, and what the caller had freed. */
  release(): void;
}

/** A tensor that takes part in the recording. */
interface Node extends Holder {
  readonly tensor: DeviceTensor;
  home: DeviceTensor | undefined;
  /** Recorded steps that will read its value. */
  readers: number;
  isFreed: boolean;
  /** One of its readers needs it as it is. */
  isExact: boolean;
  /** Its value in half precision, in place of the tensor, which is given back. */
  packed: DeviceTensor | undefined;
  isWatched: boolean;
  /** Watched or computed from what is; a tensor that is only kept for its value is not. */
  isTracked: boolean;
}

/** One recorded step: nodes it came from, nodes it made, and how gradients pass back. */
interface Step {
  readonly keeps: readonly Node[];
  readonly made: readonly Node[];
  back(): void;
}

/**
 * How a tape keeps values for the way back: as they are, or those that are safe to round
 * ({@linkcode HALF_VALUES}) in half precision, in half the memory.
 */
export type Precision = "f32" | "mixed";

/** Opens a tape on a device. The device stays the caller's. */
export function openTape(base: Device, precision: Precision = "f32"): Tape {
  const recorder = new Recorder(base, precision);
  return {
    device: recorder.device,
    watch: (tensor, home) => recorder.watch(tensor, home),
    checkpoint: (inputs, segment) => recorder.checkpoint(inputs, segment),
    backward: (seeds) => recorder.backward(seeds),
    gradient: (tensor) => recorder.gradient(tensor),
    release: () => recorder.release(),
  };
}

class Recorder {
  readonly device: Device;
  readonly #base: Device;
  readonly #precision: Precision;
  /** Nodes whose values are packed. */
  readonly #packed = new Set<Node>();
  /** By buffer, since reshaped views share one; a buffer that is given back leaves the map. */
  readonly #nodes = new Map<number, Node>();
  #steps: Step[] = [];
  /** Whether a segment is running: what it records would be lost, so that it may hold no other. */
  #isInSegment = false;
  readonly #sums: GradientSums;

  constructor(base: Device, precision: Precision) {
    this.#base = base;
    this.#sums = new GradientSums(base);
    this.#precision = precision;
    const record: RecordingDevice["record"] = (run) => this.#record(run);
    const free = (tensor: DeviceTensor) => this.#free(tensor);
    const shared = {
      alloc: (shape: Shape, dtype: Dtype) => base.alloc(shape, dtype),
      upload: (tensor: Tensor) => base.upload(tensor),
      write: (tensor: DeviceTensor, data: Float32Array<ArrayBuffer>) => base.write(tensor, data),
      read: (tensor: DeviceTensor) => base.read(tensor),
      close: () => base.close(),
      free,
      record,
    };
    this.device = base.kind === "cpu"
      ? {
        ...shared,
        kind: "cpu",
        simd: base.simd,
        dataOf: (tensor) => base.dataOf(tensor),
        arrayOf: (tensor) => base.arrayOf(tensor),
      } as RecordingDevice
      : {
        ...shared,
        kind: "webgpu",
        info: base.info,
        limits: base.limits,
        dispatch: (launches) => base.dispatch(launches),
        table: (key, make) => base.table(key, make),
      } as RecordingDevice;
  }

  watch<T extends DeviceTensor>(tensor: T, home?: DeviceTensor): T {
    const node = this.#tracked(tensor) ?? this.#addNode(tensor);
    node.isWatched = true;
    node.home = home;
    return tensor;
  }

  gradient(tensor: DeviceTensor): DeviceTensor | undefined {
    const gradient = this.#nodes.get(tensor.buffer.id)?.gradient;
    // Ops may have seen the tensor as a view of another shape.
    return gradient && reshape(gradient.tensor, tensor.shape);
  }

  checkpoint<O extends Readonly<Record<string, DeviceTensor>>>(
    inputs: readonly DeviceTensor[],
    segment: (device: Device) => O,
  ): O {
    const outputs = this.#runSegment(this.#base, segment);
    const given = new Set(inputs.map(({ buffer }) => buffer.id));
    for (const [name, { buffer }] of Object.entries(outputs)) {
      // It would be freed as the segment's own.
      if (given.has(buffer.id)) throw new TypeError(`A segment's output "${name}" is its input`);
    }
    const sources = inputs.flatMap((input) => this.#tracked(input) ?? []);
    if (sources.length === 0) return outputs;
    const keeps = inputs.map((input) => this.#keeper(input)!);
    const made = Object.values(outputs).map((output) => this.#addNode(output));
    for (const node of keeps) {
      node.readers++;
      node.isExact = true;
    }
    this.#steps.push({
      keeps,
      made,
      back: () => {
        const inner = new Recorder(this.#base, this.#precision);
        try {
          for (const { tensor, home, gradient } of sources) {
            inner.watch(tensor, gradient === undefined ? home : undefined);
          }
          const again = Object.values(this.#runSegment(inner.device, segment));
          made.forEach(({ gradient }, i) => {
            const node = inner.#tracked(again[i]);
            if (gradient !== undefined && node !== undefined) inner.#sums.hand(node, gradient);
          });
          try {
            inner.#replay();
          } finally {
            for (const tensor of again) inner.#free(tensor);
          }
          for (const source of sources) {
            const held = inner.#takeGradient(source.tensor);
            if (held !== undefined) this.#sums.addHeld(source, held);
          }
        } finally {
          inner.release();
        }
      },
    });
    return outputs;
  }

  /** Runs a segment; what it leaves on the device besides its outputs is freed. */
  #runSegment<O extends Readonly<Record<string, DeviceTensor>>>(
    device: Device,
    segment: (device: Device) => O,
  ): O {
    if (this.#isInSegment) throw new TypeError("A segment cannot hold another segment of its tape");
    const scope = openScope(device);
    this.#isInSegment = true;
    try {
      const outputs = segment(scope);
      for (const output of Object.values(outputs)) scope.keep(output);
      return outputs;
    } finally {
      this.#isInSegment = false;
      scope.release();
    }
  }

  backward(seeds: readonly Seed[]): void {
    for (const [output, gradient] of seeds) {
      const node = this.#tracked(output);
      if (node === undefined) {
        throw new TypeError("A seed's tensor does not come from a watched one, or no more");
      }
      if ("buffer" in gradient) this.#sums.handForeign(node, gradient);
      else this.#sums.add(node, this.#base.upload(this.#ownSeed(gradient)));
    }
    this.#replay();
  }

  /** A host tensor that may be written: uploading to the CPU does not copy. */
  #ownSeed(seed: Tensor): Tensor {
    return this.#base.kind === "cpu" ? { ...seed, data: seed.data.slice() } : seed;
  }

  /** The way back from the gradients that nodes have. */
  #replay(): void {
    while (this.#steps.length > 0) {
      // Left in the list until it is done, so that release() finds its gradients where it fails.
      const step = this.#steps.at(-1)!;
      if (step.made.some(({ gradient }) => gradient !== undefined)) step.back();
      for (const node of step.made) this.#dropGradient(node);
      for (const node of step.keeps) this.#doneReading(node);
      for (const node of step.made) this.#detach(node);
      this.#steps.pop();
    }
    this.#sums.freeZeros();
  }

  /** The way back of what an op made is forgotten: from here on it is a value like any other. */
  #detach(node: Node): void {
    if (node.isWatched) return;
    node.isTracked = false;
    if (!node.isFreed) this.#forget(node);
  }

  release(): void {
    for (const { made } of this.#steps) {
      for (const node of made) this.#sums.drop(node);
    }
    this.#steps = [];
    for (const node of this.#nodes.values()) {
      this.#sums.drop(node);
      if (node.isFreed) this.#base.free(node.tensor);
    }
    this.#nodes.clear();
    for (const node of this.#packed) {
      this.#sums.drop(node);
      this.#base.free(node.packed!);
    }
    this.#packed.clear();
    this.#sums.freeZeros();
  }

  #addNode(tensor: DeviceTensor, isTracked = true): Node {
    const fresh = { gradient: undefined, readers: 0, isFreed: false, isExact: false };
    const node: Node = {
      ...fresh,
      home: undefined,
      packed: undefined,
      tensor,
      isWatched: false,
      isTracked,
    };
    this.#nodes.set(tensor.buffer.id, node);
    return node;
  }

  /** The node of a tensor that gradients pass through. */
  #tracked(input: OpInput | undefined): Node | undefined {
    if (input === undefined || !("buffer" in input)) return undefined;
    const node = this.#nodes.get(input.buffer.id);
    return node?.isTracked ? node : undefined;
  }

  /** The node that keeps a value alive; host tensors need none. */
  #keeper(value: OpInput): Node | undefined {
    if (!("buffer" in value)) return undefined;
    return this.#nodes.get(value.buffer.id) ?? this.#addNode(value, false);
  }

  #record(run: OpRun): void {
    const { op, inputs, outputs, params } = run;
    const names = [...op.inputs, ...op.optional].filter((name) => inputs[name] !== undefined);
    const sources = names.map((name) => this.#tracked(inputs[name]));
    if (sources.every((source) => source === undefined)) return;
    if (op.backward === undefined) throw new TypeError(`Op ${op.name} has no backward`);
    const made = op.outputs.map((name: string) => this.#addNode(outputs[name]!));
    const values: Record<string, OpInput> = {};
    const keeps: Node[] = [];
    const kept: [string, Node][] = [];
    for (const name of needsOf(op.backward, params)) {
      const value = outputs[name] ?? inputs[name];
      if (value === undefined) continue;
      values[name] = value;
      const node = this.#keeper(value);
      if (node === undefined) continue;
      node.readers++;
      if (!mayBeHalf(op.name, name)) node.isExact = true;
      keeps.push(node);
      kept.push([name, node]);
    }
    const shapes = Object.fromEntries(names.map((name) => [name, inputs[name]!.shape]));
    this.#steps.push({
      keeps,
      made,
      back: () => {
        const [first] = made;
        const handed = op.backward!.handsOn?.(shapes) ?? [];
        names.forEach((name, i) => {
          const source = sources[i];
          if (source === undefined || !handed.includes(name)) return;
          // Where no loss depends on the first output, nothing is to be added.
          if (first!.gradient !== undefined) this.#sums.hand(source, first!.gradient);
        });
        const rest = sources.map((source, i) => handed.includes(names[i]!) ? undefined : source);
        if (rest.every((source) => source === undefined)) return;
        const given = { ...values };
        const unpacked: DeviceTensor[] = [];
        let gradients: Record<string, DeviceTensor>;
        try {
          for (const [name, { packed }] of kept) {
            if (packed === undefined) continue;
            const whole = unpackHalf(this.#base, packed, values[name]!.shape);
            unpacked.push(whole);
            given[name] = whole;
          }
          op.outputs.forEach((name: string, i: number) => {
            const { shape, dtype } = outputs[name]!;
            const gradient = made[i]!.gradient?.tensor ?? this.#sums.zero(shape, dtype);
            given[gradientName(name)] = reshape(gradient, shape);
          });
          gradients = runBackward(this.#base, op, given, shapes, params, homesOf(names, rest));
        } finally {
          for (const tensor of unpacked) this.#base.free(tensor);
        }
        this.#addAll(names.map((name, i) => [rest[i], gradients[gradientName(name)]!]));
      },
    });
  }

  /** Adds fresh gradients; those that nobody wants are freed, and where one fails, all others. */
  #addAll(gradients: readonly (readonly [Node | undefined, DeviceTensor])[]): void {
    let added = 0;
    try {
      for (const [source, gradient] of gradients) {
        added++;
        if (source === undefined) this.#base.free(gradient);
        else this.#sums.add(source, gradient);
      }
    } finally {
      for (const [, gradient] of gradients.slice(added)) this.#base.free(gradient);
    }
  }

  /** The caller is done with a tensor; the tape may still need it. */
  #free(tensor: DeviceTensor): void {
    const node = this.#nodes.get(tensor.buffer.id);
    if (node === undefined || node.tensor.buffer !== tensor.buffer) return this.#base.free(tensor);
    node.isFreed = true;
    this.#giveBack(node);
  }

  #doneReading(node: Node): void {
    node.readers--;
    this.#giveBack(node);
  }

  #giveBack(node: Node): void {
    if (!node.isFreed || node.isWatched) return;
    if (node.readers > 0) return this.#pack(node);
    node.isFreed = false;
    if (node.packed !== undefined) {
      this.#packed.delete(node);
      return this.#base.free(node.packed);
    }
    this.#forget(node);
    this.#base.free(node.tensor);
  }

  /** Only backwards will read the value: in mixed precision it takes half the memory. */
  #pack(node: Node): void {
    if (this.#precision !== "mixed" || node.isExact || node.packed !== undefined) return;
    if (sizeOf(node.tensor.shape) < HALF_ELEMENTS_MIN) return;
    node.packed = packHalf(this.#base, node.tensor);
    this.#packed.add(node);
    this.#forget(node);
    this.#base.free(node.tensor);
  }

  /** The buffer of a node that is given back may come again as another tensor's. */
  #forget(node: Node): void {
    if (this.#nodes.get(node.tensor.buffer.id) === node) this.#nodes.delete(node.tensor.buffer.id);
  }

  #dropGradient(node: Node): void {
    if (!node.isWatched) this.#sums.drop(node);
  }

  #takeGradient(tensor: DeviceTensor): Held | undefined {
    const node = this.#nodes.get(tensor.buffer.id);
    return node && this.#sums.take(node);
  }
}

/** Where an op may write gradients: homes of inputs that have none yet, given once. */
function homesOf(names: readonly string[], sources: readonly (Node | undefined)[]): Homes {
  const homes: Record<string, DeviceTensor> = {};
  sources.forEach((source, i) => {
    if (source?.home === undefined || source.gradient !== undefined) return;
    if (sources.indexOf(source) !== i) return;
    homes[gradientName(names[i]!)] = source.home;
  });
  return homes;
}

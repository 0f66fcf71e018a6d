import { openScope } from "../../device/mod.ts";
import { matmul, runOp } from "../../ops/mod.ts";
import { reshape, type Tensor, tensorOf } from "../../tensor/tensor.ts";
import { clipFactor, clipValues, globalNorm } from "../../training/clip.ts";
import { openOptimizer } from "../../training/optimizer.ts";
import { rateAt, type Schedule } from "../../training/schedule.ts";
import type { Computed } from "./compare.ts";
import { type GoldenCase, numberOf, tensorOfCase, textOf } from "./golden_file.ts";
import type { GoldenDevice, GroupRunner } from "./group.ts";
import { cast, fileTensor, rounded, stack, valuesF64 } from "./tensors.ts";

/** Trajectories of the optimizer on a quadratic, schedules, clipping. */
export const optimGroup: GroupRunner = {
  group: "optim",
  onGpu: true,
  run: (golden, on) => golden.tensors.has("H") ? trajectory(golden, on) : clipped(golden, on),
};

/** The schedule that a case describes in words; undefined for one that is not known. */
function scheduleOf(golden: GoldenCase): Schedule | undefined {
  const rate = numberOf(golden, "lr");
  const cosine = {
    kind: "warmupCosine",
    rate,
    warmup: numberOf(golden, "warmup", 0),
    steps: numberOf(golden, "steps"),
  } as const;
  const text = textOf(golden, "schedule");
  if (/^constant/.test(text)) return { kind: "constant", rate };
  const floor = /eta_min=([\d.e-]+)/.exec(text)?.[1];
  if (floor !== undefined) return { ...cosine, floor: Number(floor) };
  const from = /LinearLR ([\d.]+)->1/.exec(text)?.[1];
  const least = /CosineAnnealingLR to ([\d.e-]+)/.exec(text)?.[1] ?? 0;
  if (from !== undefined) return { ...cosine, from: Number(from), floor: Number(least) };
  return /lr\*\(s\+1\)\/warm/.test(text) ? cosine : undefined;
}

async function trajectory(golden: GoldenCase, on: GoldenDevice): Promise<Computed> {
  const { device, dtype } = on;
  const schedule = scheduleOf(golden);
  const kind = textOf(golden, "optimizer");
  if (schedule === undefined) return { unsupported: textOf(golden, "schedule") };
  if (kind !== "AdamW" && kind !== "Adam") return { unsupported: `optimizer "${kind}"` };
  const { betas, clip_norm: clip, amsgrad } = golden.scalars;
  if (!Array.isArray(betas) || betas.length !== 2) return { unsupported: `betas "${betas}"` };
  const [beta1 = 0, beta2 = 0] = betas as number[];
  const x0 = cast(fileTensor(golden, "x0"), dtype);
  const optimizer = openOptimizer(device, { x: x0 }, {
    beta1,
    beta2,
    eps: numberOf(golden, "eps"),
    decay: numberOf(golden, "weight_decay"),
    decayInGradient: kind === "Adam",
    amsgrad: amsgrad === true,
    ...(typeof clip === "number" && { clipNorm: clip }),
  });
  const H = cast(fileTensor(golden, "H"), dtype);
  const b = cast(fileTensor(golden, "b"), dtype);
  const size = b.data.length;
  // The gradient of x'Hx/2 − b'x is H·x − b: a product with a bias.
  const bias = cast(tensorOf([size], Float64Array.from(b.data, (value) => -value)), dtype);
  const rates: number[] = [];
  const points: Tensor[] = [];
  const used: Tensor[] = [];
  const norms: number[] = [];
  for (let step = 0; step < numberOf(golden, "steps"); step++) {
    const scope = openScope(device);
    const a = reshape(optimizer.parameters["x"]!, [1, size]);
    const gradient = runOp(scope, matmul, { a, b: H, bias }, { transposeB: true }).c;
    const flat = reshape(gradient, [size]);
    const rate = rateAt(schedule, step);
    optimizer.step({ x: flat }, rate);
    const norm = optimizer.squaredNorm();
    const host = await device.read(flat);
    const total = norm ? Math.sqrt((await device.read(norm)).data[0]!) : 0;
    const factor = typeof clip === "number" ? clipFactor(total, clip) : 1;
    const scaled = Float64Array.from(host.data, (value) => factor * value);
    points.push(await device.read(optimizer.parameters["x"]!));
    used.push(tensorOf([size], scaled));
    rates.push(rate);
    norms.push(total);
    scope.release();
  }
  const { tensors } = await optimizer.save();
  optimizer.release();
  return {
    values: {
      lr: rounded(Float64Array.from(rates), dtype),
      trajectory: valuesF64(stack(points, 0)),
      grad_used: valuesF64(stack(used, 0)),
      ...(typeof clip === "number" && { grad_norm: Float64Array.from(norms) }),
      exp_avg: valuesF64(tensors["mean/x"]!),
      exp_avg_sq: valuesF64(tensors["variance/x"]!),
      ...(tensors["largest/x"] && { max_exp_avg_sq: valuesF64(tensors["largest/x"]) }),
    },
  };
}

/** Clipping of several gradients together; g0, g1, ... in, clipped0, ... out. */
function clipped(golden: GoldenCase, on: GoldenDevice): Computed {
  const kind = textOf(golden, "kind");
  const most = numberOf(golden, "max");
  const names = [...golden.tensors.keys()].filter((name) => /^g\d+$/.test(name));
  const arrays = names.map((name) => rounded(tensorOfCase(golden, name).values.slice(), on.dtype));
  const values: Record<string, Float64Array> = {};
  if (kind === "value") {
    for (const array of arrays) clipValues(array, most);
  } else if (kind === "norm" || kind === "inf") {
    const norm = globalNorm(arrays, kind === "inf" ? "max" : "two");
    const factor = clipFactor(norm, most);
    for (const array of arrays) array.forEach((value, i) => array[i] = factor * value);
    values["total_norm"] = Float64Array.of(norm);
  } else {
    return { unsupported: `clipping by "${kind}"` };
  }
  names.forEach((name, i) => values[`clipped${name.slice(1)}`] = rounded(arrays[i]!, on.dtype));
  return { values };
}

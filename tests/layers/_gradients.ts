/** Gradients of a layer: through a tape on a device, and measured by finite differences in f64. */
import { openTape, type Seed } from "../../src/autodiff/tape.ts";
import { nextNormal, seedRandom } from "../../src/base/random.ts";
import type { Device, DeviceTensor } from "../../src/device/device.ts";
import { openCpu } from "../../src/device/mod.ts";
import type { AnyLayer, LayerParams, LayerState } from "../../src/layers/mod.ts";
import { asDtype, type Dtype, type Tensor, tensorOf } from "../../src/tensor/tensor.ts";

const cpu = openCpu({ poison: true });

/** What a layer's forward is differentiated at. */
export interface GradientPoint {
  readonly params: LayerParams<any>;
  readonly u: Tensor;
  /** The state it goes on from. */
  readonly state: LayerState;
  readonly dtScale?: Tensor;
}

/** Tensors of states that count samples: no loss depends on them smoothly. */
const COUNTERS: ReadonlySet<string> = new Set(["seen"]);

/** What is differentiated by name: `u`, the parameters, and the carried state as `x0.NAME`. */
export function variablesOf({ params, u, state }: GradientPoint): Record<string, Tensor> {
  const carried = Object.entries(state)
    .filter(([name, { data }]) => !COUNTERS.has(name) && data.length > 0)
    .map(([name, tensor]) => [`x0.${name}`, tensor]);
  return { u, ...params.tensors, ...Object.fromEntries(carried) };
}

/** Runs forward with some variables replaced; gives all outputs that a loss may depend on. */
function outputsOf(
  device: Device,
  layer: AnyLayer,
  { params, state, dtScale }: GradientPoint,
  variables: Readonly<Record<string, Tensor | DeviceTensor>>,
  dtype: Dtype,
): DeviceTensor[] {
  const { u, ...others } = variables;
  const tensors: Record<string, Tensor | DeviceTensor> = {};
  const carried: Record<string, Tensor | DeviceTensor> = { ...state };
  for (const [name, tensor] of Object.entries(others)) {
    if (name.startsWith("x0.")) carried[name.slice("x0.".length)] = tensor;
    else tensors[name] = tensor;
  }
  const result = layer.forward(device, { config: params.config, tensors }, u!, {
    state: carried,
    ...(dtScale && { dtScale: asDtype(dtScale, dtype) }),
  });
  const states = Object.entries(result.state)
    .filter(([name, { shape }]) => !COUNTERS.has(name) && !shape.includes(0));
  return [result.y, ...states.map(([, tensor]) => tensor)];
}

/** Standard normal values, f32 numbers in f64. */
function drawn(shape: readonly number[], random: ReturnType<typeof seedRandom>): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return tensorOf(
    shape,
    Float64Array.from({ length: count }, () => Math.fround(nextNormal(random))),
  );
}

/** The loss's gradient with respect to each output: fixed random numbers. */
function weightsOf(outputs: readonly DeviceTensor[]): Tensor[] {
  const random = seedRandom(13);
  return outputs.map(({ shape }) => drawn(shape, random));
}

/** The gradient of every variable through a tape, on the host. */
export async function tapeGradients(
  device: Device,
  layer: AnyLayer,
  point: GradientPoint,
  dtype: Dtype,
): Promise<Record<string, Tensor>> {
  const tape = openTape(device);
  const watched: Record<string, DeviceTensor> = {};
  for (const [name, tensor] of Object.entries(variablesOf(point))) {
    watched[name] = tape.watch(device.upload(asDtype(tensor, dtype)));
  }
  const outputs = outputsOf(tape.device, layer, point, watched, dtype);
  const weights = weightsOf(outputs);
  tape.backward(outputs.map((output, i): Seed => [output, asDtype(weights[i]!, dtype)]));
  const gradients: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(watched)) {
    const gradient = tape.gradient(tensor);
    if (gradient === undefined) throw new Error(`${layer.name}: no gradient reaches ${name}`);
    const { data } = await device.read(gradient);
    gradients[name] = tensorOf(tensor.shape, data);
  }
  for (const output of outputs) tape.device.free(output);
  tape.release();
  for (const tensor of Object.values(watched)) device.free(tensor);
  return gradients;
}

/** Step of the fourth-order differences. */
const STEP = 1e-4;

/**
 * Central differences of fourth order along a random direction of each variable, against the
 * gradient: |measured − gradient·direction| / Σ|gradient·direction|, less what the rounding of the
 * loss's terms makes of the difference. That counts for a parameter which hardly matters, such as
 * the decay of a mode that turns for ever: its gradient is 1e-4 of others.
 */
export async function differenceErrors(
  layer: AnyLayer,
  point: GradientPoint,
): Promise<Record<string, number>> {
  const variables = variablesOf(point);
  const gradients = await tapeGradients(cpu, layer, point, "f64");
  const termsOf = (changed: Record<string, Tensor>): number[] => {
    const outputs = outputsOf(cpu, layer, point, changed, "f64");
    const weights = weightsOf(outputs);
    return outputs.flatMap((output, i) =>
      Array.from(cpu.dataOf(output), (value, j) => value * weights[i]!.data[j]!)
    );
  };
  const lossOf = (changed: Record<string, Tensor>) => termsOf(changed).reduce((a, b) => a + b, 0);
  const size = termsOf(variables).reduce((sum, term) => sum + Math.abs(term), 0);
  const rounding = Number.EPSILON * size / STEP;
  const random = seedRandom(12);
  const errors: Record<string, number> = {};
  for (const [name, tensor] of Object.entries(variables)) {
    const direction = drawn(tensor.shape, random).data;
    const along = (step: number) => {
      const data = Float64Array.from(tensor.data, (value, i) => value + step * direction[i]!);
      return lossOf({ ...variables, [name]: tensorOf(tensor.shape, data) });
    };
    const measured = (8 * (along(STEP) - along(-STEP)) - (along(2 * STEP) - along(-2 * STEP))) /
      (12 * STEP);
    let expected = 0;
    let scale = 0;
    gradients[name]!.data.forEach((value, i) => {
      expected += value * direction[i]!;
      scale += Math.abs(value * direction[i]!);
    });
    errors[name] = Math.max(0, Math.abs(measured - expected) - rounding) / scale;
  }
  return errors;
}

/**
 * From how many waiting samples on is a GPU worth its trip? Measured on this machine with one model
 * of the size that serves: four Mamba layers of width 64.
 */
import type { Clock } from "../base/clock.ts";
import { nextNormal, seedRandom } from "../base/random.ts";
import { type Crossover, type Device, measureCrossover, openScope } from "../device/mod.ts";
import { asDtype, tensorOf } from "../tensor/tensor.ts";
import { backboneOf } from "./backbone.ts";
import { parseBackbone } from "./backbone_config.ts";
import { absorbBacklogs, type Backlog } from "./backlog.ts";

/** Streams and samples of each in the two sizes that are timed. */
const SMALL = { streams: 1, length: 128 } as const;
const LARGE = { streams: 8, length: 256 } as const;
const SEED = 1;

const model = backboneOf(parseBackbone({
  input: { kind: "signal", feature: 2 },
  width: 64,
  layers: ["mamba", "mamba", "mamba", "mamba"],
  output: { size: 9 },
}));

/** Normal samples, the same each time. */
function backlogsOf({ streams, length }: { streams: number; length: number }): Backlog[] {
  const random = seedRandom(SEED);
  return Array.from({ length: streams }, () => {
    const data = Float32Array.from({ length: 2 * length }, () => nextNormal(random));
    return { input: tensorOf([length, 2], data) };
  });
}

/**
 * Times {@linkcode absorbBacklogs} on both devices, from the host and back: samples up, states and
 * last outputs down. The unit of work is a sample; the model's weights stay on the device.
 */
export async function measureBacklogCrossover(
  cpu: Device,
  gpu: Device,
  clock: Clock,
): Promise<Crossover> {
  const scopes = { cpu: openScope(cpu), gpu: openScope(gpu) };
  const tensors = Object.entries(model.init(seedRandom(SEED)));
  const weights = (device: Device) =>
    Object.fromEntries(tensors.map(([name, t]) => [name, device.upload(asDtype(t, "f32"))]));
  const onDevice = { cpu: weights(scopes.cpu), gpu: weights(scopes.gpu) };
  const timed = (size: { streams: number; length: number }) => {
    const backlogs = backlogsOf(size);
    const runOn = async (kind: "cpu" | "gpu") => {
      const scope = openScope(scopes[kind]);
      const { y, state } = absorbBacklogs(scope, model, onDevice[kind], backlogs);
      const made = [y, ...Object.values(state)];
      await Promise.all(made.map((tensor) => scope.read(tensor)));
      for (const tensor of made) scope.free(tensor);
      scope.release();
    };
    const work = size.streams * size.length;
    return { work, cpu: () => runOn("cpu"), gpu: () => runOn("gpu") };
  };
  try {
    return await measureCrossover(clock, timed(SMALL), timed(LARGE));
  } finally {
    scopes.cpu.release();
    scopes.gpu.release();
  }
}

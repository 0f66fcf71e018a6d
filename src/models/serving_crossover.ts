/**
 * From how many streams in a batch on does a GPU serve faster than the CPU? Measured on this
 * machine with one model of the size that serves: four Mamba layers of width 64.
 */
import type { Clock } from "../base/clock.ts";
import { seedRandom } from "../base/random.ts";
import { type Crossover, type Device, measureCrossover } from "../device/mod.ts";
import { backboneOf } from "./backbone.ts";
import { parseBackbone } from "./backbone_config.ts";
import { compileServing } from "./compile_serving.ts";
import { openServing, type Serving } from "./serving.ts";

/** Streams of the two batches that are timed. */
const SMALL = 2;
const LARGE = 24;
const SEED = 1;

const model = backboneOf(parseBackbone({
  input: { kind: "signal", feature: 1 },
  width: 64,
  layers: ["mamba", "mamba", "mamba", "mamba"],
  output: { size: 9 },
}));

/**
 * Times steps on both devices, samples up and outputs down. The unit of work is a stream's sample;
 * states and weights stay on the device.
 *
 * @throws {LimitError} a device has no room for the states of {@linkcode LARGE} streams
 */
export async function measureServingCrossover(
  cpu: Device,
  gpu: Device,
  clock: Clock,
): Promise<Crossover> {
  const tensors = model.init(seedRandom(SEED));
  await compileServing(gpu, model, tensors, { capacity: LARGE }, [SMALL, LARGE]);
  const servings: Serving[] = [];
  const opened = (device: Device) => {
    const serving = openServing(device, model, tensors, { capacity: LARGE });
    serving.open(LARGE);
    servings.push(serving);
    return serving;
  };
  try {
    const [onCpu, onGpu] = [opened(cpu), opened(gpu)];
    const timed = (streams: number) => {
      const slots = Int32Array.from({ length: streams }, (_, slot) => slot);
      const inputs = Float32Array.from(slots, (slot) => Math.sin(slot));
      const stepOn = async (serving: Serving) => void await serving.step({ slots, inputs });
      return { work: streams, cpu: () => stepOn(onCpu), gpu: () => stepOn(onGpu) };
    };
    return await measureCrossover(clock, timed(SMALL), timed(LARGE));
  } finally {
    for (const serving of servings) serving.close();
  }
}

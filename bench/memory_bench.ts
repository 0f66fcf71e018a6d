/**
 * Device memory of training by length: the most that one iteration of a backbone has in use, from
 * 1,024 to 65,536 samples, beside what the states alone would take if the scan kept them.
 *
 *   deno run -A bench/memory_bench.ts [--member NAME]... [--most LENGTH] [--depth N]
 *                                     [--precision f32|mixed] [--recompute] [--json]
 *
 * One row of signal, two layers (or `--depth`) of width 64. The scans keep no state of a sample: on
 * the way back they find the states of a chunk again from its start (arXiv 2312.00752, section
 * 3.3.2). The last columns are arithmetic: batch·length·states·4 bytes for each layer, were they
 * kept. A second table measures the selective scan beside the same scan written so that a tape
 * stores its states (`stored_scan.ts`), and holds the two to each other.
 */
import { parseArgs } from "node:util";
import { ARGS, BenchError, oneOf, runBench, wholeNumber } from "./args.ts";
import { formatNumber, formatTable } from "../src/cli/table.ts";
import { openWebGpu, type WebGpuDevice } from "../src/device/mod.ts";
import { LAYERS } from "../src/layers/mod.ts";
import { backboneOf } from "../src/models/backbone.ts";
import { memberDefaults, memberNamed, parseBackbone } from "../src/models/backbone_config.ts";
import { seedRandom } from "../src/base/random.ts";
import { tensorOf } from "../src/tensor/tensor.ts";
import { backboneObjective } from "../src/training/objective.ts";
import { openTraining } from "../src/training/training.ts";
import { type ScanMemory, scanMemory, STORED_BYTES_PER_SAMPLE } from "./stored_scan.ts";

const SHORTEST = 1024;
const LONGEST = 65_536;
const SOFTWARE_LONGEST = 8192;
const WIDTH = 64;
const DEPTH_DEFAULT = "2";
const DEPTH_MAX = 64;
const LENGTH_MAX = 1 << 24;
const MEMBERS = ["mamba", "s4d", "s5", "mamba2", "h3"];
const BUDGET_BYTES = 64 * 2 ** 30;
const MIB = 2 ** 20;

interface Row {
  readonly member: string;
  readonly length: number;
  readonly peakBytes: number;
  /** Over the row of half the length; null for the first. */
  readonly growth: number | null;
  /** States of all layers if they were kept. */
  readonly stateBytes: number;
}

/** How the models are trained. */
interface Options {
  readonly depth: number;
  readonly precision: "f32" | "mixed";
  readonly recompute: boolean;
}

async function peakOf(
  device: WebGpuDevice,
  member: string,
  length: number,
  { depth, ...memory }: Options,
): Promise<number> {
  const model = backboneOf(parseBackbone({
    input: { kind: "signal", feature: 1 },
    width: WIDTH,
    layers: new Array(depth).fill(member),
    output: { size: 1, pool: "none" },
  }));
  const wave = Float32Array.from({ length }, (_, i) => Math.sin(i / 7) + Math.sin(i / 31));
  const input = tensorOf([1, length, 1], wave);
  device.resetPeakMemory();
  const training = openTraining(device, model.init(seedRandom(1)), {
    objective: backboneObjective(model, { kind: "squaredError" }),
    minibatch: () => ({ input, target: input }),
    schedule: { kind: "constant", rate: 1e-3 },
    seed: 1,
    ...memory,
    optimizer: { clipNorm: 1 },
  });
  training.iterate();
  training.iterate();
  const { loss } = await training.readMetrics();
  if (!Number.isFinite(loss)) throw new Error(`${member} at ${length}: loss is ${loss}`);
  const { peak } = device.memory;
  training.release();
  return peak;
}

/** Bytes of one row's state in one layer: what a storing scan keeps of every sample. */
function stateBytesOf(member: string): number {
  const layer = memberNamed(member);
  return layer.stateBytes(memberDefaults(layer, WIDTH), 1, "f32");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    args: [...ARGS],
    options: {
      member: { type: "string", multiple: true },
      most: { type: "string" },
      depth: { type: "string", default: DEPTH_DEFAULT },
      precision: { type: "string", default: "f32" },
      recompute: { type: "boolean", default: false },
      json: { type: "boolean" },
    },
  });
  const options: Options = {
    depth: wholeNumber("depth", values.depth, DEPTH_MAX),
    precision: oneOf("precision", values.precision, ["f32", "mixed"]),
    recompute: values.recompute,
  };
  const given = values.most && wholeNumber("most", values.most, LENGTH_MAX, SHORTEST);
  const names = LAYERS.map(({ name }) => name);
  const members = (values.member ?? MEMBERS).map((name) => oneOf("member", name, names));
  const opened = await openWebGpu({ budgetBytes: BUDGET_BYTES });
  if ("unavailable" in opened) throw new BenchError(`No GPU: ${opened.unavailable}`);
  const { device } = opened;
  const most = given || (device.info.software ? SOFTWARE_LONGEST : LONGEST);
  const rows: Row[] = [];
  for (const member of members) {
    let before: number | null = null;
    for (let length = SHORTEST; length <= most; length *= 2) {
      const peakBytes = await peakOf(device, member, length, options);
      const growth: number | null = before === null ? null : peakBytes / before;
      rows.push({
        member,
        length,
        peakBytes,
        growth,
        stateBytes: options.depth * length * stateBytesOf(member),
      });
      before = peakBytes;
    }
  }
  const scans: ScanMemory[] = [];
  // The storing scan ends where its states no longer fit one binding.
  const storedMost = Math.min(most, device.limits.bindingBytesMax / STORED_BYTES_PER_SAMPLE);
  for (let length = SHORTEST; length <= storedMost; length *= 2) {
    scans.push(await scanMemory(device, length));
  }
  if (values.json) console.log(JSON.stringify({ rows, scans }));
  else {
    console.log(formatTable(
      ["member", "length", "peak MiB", "× half the length", "states if kept MiB", "share"],
      rows.map(({ member, length, peakBytes, growth, stateBytes }) => [
        member,
        `${length}`,
        formatNumber(peakBytes / MIB),
        growth === null ? "-" : growth.toFixed(2),
        formatNumber(stateBytes / MIB),
        (stateBytes / peakBytes).toFixed(2),
      ]),
    ));
  }
  if (!values.json) {
    console.log(formatTable(
      ["selective scan, length", "recomputing MiB", "storing MiB", "ratio", "states MiB"],
      scans.map(({ length, recomputing, storing, states }) => [
        `${length}`,
        formatNumber(recomputing / MIB),
        formatNumber(storing / MIB),
        (storing / recomputing).toFixed(1),
        formatNumber(states / MIB),
      ]),
    ));
  }
  await device.close();
}

if (import.meta.main) await runBench(main);

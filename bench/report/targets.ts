/** The project's goals for speed, and what the stored results say to each. */
import { PEER_TIMES } from "../peers.ts";
import type { ServingData, Stored } from "./stored.ts";

type Value = readonly [at: string, value: number | undefined];

/** A goal: every value is to be at most, or at least, these. */
interface Goal {
  readonly item: string;
  readonly better: "lower" | "higher";
  readonly atLeast: number;
  readonly reach: number;
  /** The values by what they were taken at; undefined where nothing is stored. */
  values(stored: Stored): readonly Value[];
  /** How a value is written; default two decimals. */
  format?(value: number): string;
}

/** A goal with what was reached. */
export interface Verdict {
  readonly item: string;
  readonly goal: string;
  readonly reach: string;
  readonly values: string;
  /** Whether all values are as good as the goal, and as what was reached for. */
  readonly met: "yes" | "beyond" | "no" | "not measured";
}

function msOf(stored: Stored, scenario: string): number | undefined {
  return stored.kernels?.data.rows.find(({ name }) => name === scenario)?.gpu?.ms;
}

/** What a scenario's name says after the kernel's. */
function shapeOf(scenario: string): string {
  return scenario.slice(scenario.lastIndexOf(" ") + 1);
}

/** Ours, with what it leaves to other launches, ÷ the peer's, or the other way round. */
function toPeer(names: readonly string[], { turned = false, apartMs = 0 } = {}) {
  return (stored: Stored) =>
    names.map((name): Value => {
      const ours = msOf(stored, name);
      const peer = PEER_TIMES.find(({ scenario }) => scenario === name)?.ms;
      if (ours === undefined || peer === undefined) return [shapeOf(name), undefined];
      return [shapeOf(name), turned ? peer / ours : (ours + apartMs) / peer];
    });
}

/** Time of the bytes at the copy's rate ÷ time taken. */
function byteShare(names: readonly string[]) {
  return ({ kernels }: Stored) =>
    names.map((name): Value => {
      const row = kernels?.data.rows.find((candidate) => candidate.name === name);
      const rate = kernels?.data.ceilings?.bytes;
      if (!row?.gpu || rate === undefined) return [shapeOf(name), undefined];
      return [shapeOf(name), row.cost.bytes / rate / row.gpu.ms];
    });
}

/** One time ÷ another of the same run. */
function ratio(over: string, under: string) {
  return (stored: Stored): Value[] => {
    const [a, b] = [msOf(stored, over), msOf(stored, under)];
    return [[shapeOf(over), a === undefined || b === undefined ? undefined : a / b]];
  };
}

/** The twin's time ÷ the SIMD kernels' on one core. */
function overTwin(ops: readonly string[]) {
  return ({ cpu }: Stored) =>
    ops.map((op): Value => {
      const times = cpu?.data.rows.find(({ name }) => name === `${op} small`)?.cpu;
      return [op, times ? times.twin / times.simd : undefined];
    });
}

/** A figure of the GPU's row of so many streams. */
function served(
  { serving }: Stored,
  count: number,
  figure: (row: ServingData["rows"][number]) => number,
): Value[] {
  const row = serving?.data.rows.find(({ device, streams }) =>
    device === "webgpu" && streams === count
  );
  return [[`${count} streams`, row && figure(row)]];
}

/** Thousand updates a second of the steps on one core, awaited one after another. */
function servedByCore({ serving_cpu }: Stored): Value[] {
  const rows = serving_cpu?.data.rows ?? [];
  if (rows.length === 0) return [["one core", undefined]];
  return rows.map(({ streams, latencyMs }) => [`${streams} streams`, streams / latencyMs]);
}

/** Updates a second of a model between refits, in `unit`. */
function onlineRates({ models }: Stored, model: string, unit: number): Value[] {
  return Object.entries(SEASONS_OF).map(([series, seasons]): Value => {
    const row = models?.data.rows.find((candidate) =>
      candidate.name.split(",")[0] === model && candidate.series === series
    );
    return [seasons, row && row.onlinePerS / unit];
  });
}

/** Seasons of the series that online rates are taken on. */
const SEASONS_OF = { level: "none", day: "one season", "day, week": "two" };

const tenths = (value: number) => value.toFixed(1);
const percent = (value: number) => `${Math.round(100 * value)} %`;
const times = (value: number) => `${Number(value.toPrecision(3))} ×`;

const FOUR = ["8,2048,2048,16", "1,2048,16384,16", "64,256,512,16", "1,256,65536,16"];
const SSD = "ssd 8,2048,32,64,128";
/** Softplus of the step sizes (0.006) and gate by z (0.137) at that shape, on the peers' card. */
const SSD_APART_MS = 0.143;
const S4D = ["8,512,1024,32", "8,512,2048,32", "8,512,4096,32", "1,512,16384,32", "1,512,65536,32"];
const PRODUCTS = ["4096,4096,4096", "16384,2048,1024", "65536,256,256"];

/** The whole model's iteration that the peer trains, too. */
const ITERATION = "mamba4 32×2048×256";

const GOALS: readonly Goal[] = [
  {
    item: "selective scan ÷ CUDA fp32",
    ...{ better: "lower", atLeast: 0.4, reach: 0.28 },
    values: toPeer(FOUR.map((shape) => `selective_scan ${shape}`)),
  },
  {
    item: "its share of the byte floor, 131,072 rows",
    ...{ better: "higher", atLeast: 0.7, reach: 0.85, format: percent },
    values: byteShare(["selective_scan 64,2048,512,16"]),
  },
  {
    item: "the same, 16,384 rows",
    ...{ better: "higher", atLeast: 0.45, reach: 0.65, format: percent },
    values: byteShare(["selective_scan 8,2048,2048,16", "selective_scan 64,256,512,16"]),
  },
  {
    item: "the same, few rows and long",
    ...{ better: "higher", atLeast: 0.35, reach: 0.5, format: percent },
    values: byteShare(["selective_scan 1,2048,16384,16", "selective_scan 1,256,65536,16"]),
  },
  {
    item: "selective scan's gradients ÷ CUDA fp32",
    ...{ better: "lower", atLeast: 0.55, reach: 0.4 },
    values: toPeer(FOUR.map((shape) => `selective_scan gradients ${shape}`)),
  },
  {
    item: "torch fp32 ÷ matrix product",
    ...{ better: "higher", atLeast: 0.88, reach: 0.95 },
    values: toPeer(PRODUCTS.map((shape) => `matmul ${shape}`), { turned: true }),
  },
  {
    item: "S4D scan ÷ torch FFT convolution",
    ...{ better: "lower", atLeast: 0.55, reach: 0.3 },
    values: toPeer(S4D.map((shape) => `linear_scan ${shape}`)),
  },
  {
    item: "SSD ÷ Triton bf16, without the gate and softplus that Triton's time contains",
    ...{ better: "lower", atLeast: 1.8, reach: 1.3 },
    values: toPeer([SSD]),
  },
  {
    item: "the same work: with both, as launches timed apart",
    ...{ better: "lower", atLeast: 1.8, reach: 1.3 },
    values: toPeer([SSD], { apartMs: SSD_APART_MS }),
  },
  {
    item: "unfused scan that stores its states ÷ fused",
    ...{ better: "higher", atLeast: 20, reach: 40, format: times },
    values: ratio("unfused_scan 64,256,512,16", "selective_scan 64,256,512,16"),
  },
  {
    item: "selective scan ÷ SSD, 128 states",
    ...{ better: "higher", atLeast: 2, reach: 8, format: times },
    values: ratio("selective_scan 8,2048,2048,128", "ssd 8,2048,32,64,128"),
  },
  {
    item: "state update of 65,536 streams, share of a copy's bandwidth",
    ...{ better: "higher", atLeast: 0.92, reach: 0.98, format: percent },
    values: byteShare(["selective_state_update 65536,128,16"]),
  },
  {
    item: "4-layer serving step, 131,072 streams, M updates/s, GPU only",
    ...{ better: "higher", atLeast: 20, reach: 35, format: tenths },
    values: (stored) => served(stored, 131_072, ({ streams, gpuMs }) => streams / 1e3 / gpuMs!),
  },
  {
    item: "the same end to end",
    ...{ better: "higher", atLeast: 12, reach: 20, format: tenths },
    values: (stored) =>
      served(stored, 131_072, ({ streams, flightMs }) => streams / 1e3 / flightMs),
  },
  {
    item: "1,024 streams, latency of a step from end to end, ms",
    ...{ better: "lower", atLeast: 0.6, reach: 0.3 },
    values: (stored) => served(stored, 1024, ({ latencyMs }) => latencyMs),
  },
  {
    item: "sequential SIMD ÷ parallel Kalman smoother, 8 states, 1 M samples",
    ...{ better: "higher", atLeast: 1, reach: 5, format: times },
    values: ({ smoother }) => {
      const row = smoother?.data.rows.find(({ states, length }) =>
        states === 8 && length >= 1_000_000
      );
      return [["8 states", row && row.simdMs / row.gpuMs]];
    },
  },
  {
    item: `training iteration ÷ torch, ${ITERATION}`,
    ...{ better: "lower", atLeast: 1.2, reach: 1 },
    values: ({ training }) => {
      const ours = training?.data.find(({ name }) => name.startsWith(ITERATION))?.wallMs;
      const peer = PEER_TIMES.find(({ scenario }) => scenario === ITERATION)!.ms;
      return [[ITERATION, ours === undefined ? undefined : ours / peer]];
    },
  },
  {
    item: "twin ÷ SIMD kernels, scans",
    ...{ better: "higher", atLeast: 4, reach: 4, format: times },
    values: overTwin([
      ...["selective_scan", "linear_scan", "diagonal_scan", "shared_scan", "dense_scan"],
      ...["dplr_scan", "legs_scan", "ssd"],
    ]),
  },
  {
    item: "twin ÷ SIMD kernels, matrix product",
    ...{ better: "higher", atLeast: 6, reach: 6, format: times },
    values: overTwin(["matmul"]),
  },
  {
    item: "4-layer Mamba serving step of width 64 on one core, k updates/s",
    ...{ better: "higher", atLeast: 20, reach: 20 },
    values: servedByCore,
  },
  {
    item: "structural filter on one core, M updates/s, without a season, with one and with two",
    ...{ better: "higher", atLeast: 0.5, reach: 0.5 },
    values: (stored) => onlineRates(stored, "filter", 1e6),
  },
  {
    item: "online readout on one core, k updates/s, the same",
    ...{ better: "higher", atLeast: 20, reach: 20 },
    values: (stored) => onlineRates(stored, "readout", 1e3),
  },
  {
    item: "JSON columns of 100 samples through HTTP to a log and a state, M samples/s",
    ...{ better: "higher", atLeast: 0.5, reach: 0.5 },
    values: ({ ingest }) => {
      const rows = (ingest?.data.rows ?? []).filter(({ scenario, server }) =>
        scenario.startsWith("hundred") && server.startsWith("driftline")
      );
      if (rows.length === 0) return [["hundred", undefined]];
      return rows.map(({ scenario, measured }) => [scenario, (measured.appliedPerS ?? NaN) / 1e6]);
    },
  },
];

function metBy(goal: Goal, values: readonly Value[]): Verdict["met"] {
  const isAsGood = (bound: number) =>
    values.every(([, value]) => goal.better === "lower" ? value! <= bound : value! >= bound);
  if (values.some(([, value]) => value === undefined)) return "not measured";
  if (!isAsGood(goal.atLeast)) return "no";
  return isAsGood(goal.reach) ? "beyond" : "yes";
}

function verdictOf(goal: Goal, stored: Stored): Verdict {
  const values = goal.values(stored);
  const format = goal.format ?? ((value: number) => value.toFixed(2));
  const write = (value: number | undefined) => value === undefined ? "–" : format(value);
  return {
    item: goal.item,
    goal: `${goal.better === "lower" ? "≤" : "≥"} ${format(goal.atLeast)}`,
    reach: format(goal.reach),
    values: values.length === 1
      ? write(values[0]![1])
      : values.map(([at, value]) => `${write(value)} at ${at}`).join("; "),
    met: metBy(goal, values),
  };
}

/** Every goal with what the stored results say to it. */
export function verdicts(stored: Stored): Verdict[] {
  return GOALS.map((goal) => verdictOf(goal, stored));
}

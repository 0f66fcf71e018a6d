/** What README.md says of accuracy, detection and speed. */
import { cleanShare } from "../../src/cli/evaluate/detection/clean_alarms.ts";
import type { DetectionRecord } from "../../src/cli/evaluate/detection/page.ts";
import type { Figures, PublishedPeers } from "../../src/cli/evaluate/figures.ts";
import type { Total } from "../../src/cli/evaluate/score.ts";
import { flopOf } from "../costs.ts";
import type { Row } from "../ops_bench.ts";
import type { Claim } from "./claims.ts";
import { digits } from "./format.ts";
import { modelRows, type ModelsData, type Stored } from "./stored.ts";
import { verdicts } from "./targets.ts";

/** What is stored of accuracy and detection. */
export interface Scores {
  readonly dev: Figures;
  readonly second: Figures;
  readonly peers: PublishedPeers;
  readonly detection: DetectionRecord;
}

const places = (value: number, count = 3) => value.toFixed(count);
const errors = ({ mase, wql }: Total) => [places(mase), places(wql)];
const mean = (values: readonly number[]) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Rows of the table of forecasters: how each begins, its name, its setting. */
const FORECASTERS = [
  ["MSTL + ETS (augurs), season given", "augurs-mstl", "given"],
  ["the same, season given", "committee", "given"],
  ["the network `neural_small` alone, season found", "neural_small", "found"],
  ["the network `neural` alone, season found", "neural", "found"],
  ["the network `neural_mamba` alone, season found", "neural_mamba", "found"],
  ["the committee without networks, season found", "committee-plain", "found"],
] as const;

/** Claims about forecasts. @throws {TypeError} one of the forecasters was not measured */
export function accuracyClaims({ dev, second, peers }: Scores): Claim[] {
  const row = (label: string, total: Total, text = "# | # | # / #"): Claim => ({
    text: `| ${label} | ${text} |`,
    figures: [...errors(total), places(total.cover80), places(total.cover95)],
  });
  const total = (name: string, setting: string) => dev.total(name, setting)!;
  const naive = total("seasonal-naive", "given");
  const committee = dev.record("committee", "found")!;
  const others = [
    ["committee", "found"],
    ["committee-plain", "found"],
    ["augurs-mstl", "given"],
  ] as const;
  return [
    {
      text: "On # development windows in # tasks",
      figures: [String(committee.windows), String(Object.keys(committee.tasks).length)],
    },
    {
      text: "| seasonal naive | 1 | 1 | # / # |",
      figures: [places(naive.cover80), places(naive.cover95)],
    },
    row("R `stlf`, season given", peers.total["r-stlf"]!),
    row(
      "**Driftline, the committee, season found**",
      total("committee", "found"),
      "**#** | **#** | # / #",
    ),
    ...FORECASTERS.map(([label, name, setting]) => row(label, total(name, setting))),
    { text: "`task evaluate`, #, on a machine", figures: [committee.date.slice(0, 10)] },
    {
      text: "On a second set of # tasks, to which nothing was fitted, the committee has # / #, " +
        "without networks # / #, MSTL + ETS # / #.",
      figures: [
        String(Object.keys(second.record("committee", "found")!.tasks).length),
        ...others.flatMap(([name, setting]) => errors(second.total(name, setting)!)),
      ],
    },
  ];
}

/** Claims about what is found unusual. */
export function detectionClaims({ detection }: Scores): Claim[] {
  const [ours, simple] = ["multiscale", "rolling z-score"].map((name) =>
    detection.detectors.find((one) => one.name.startsWith(name))!
  );
  const sets = Object.values(ours!.sets);
  const ranking = [ours!, simple!].flatMap((one) => {
    const of = Object.values(one.sets);
    return [mean(of.map(({ aucPr }) => aucPr)), mean(of.map(({ vusPr }) => vusPr))];
  });
  const { length, alarms } = detection.clean;
  const rate = 1e-4;
  const kinds = Object.values(alarms[String(rate)]!);
  const times = kinds.map((counts) => cleanShare([counts], { length, rate }).times);
  const around = [Math.min(...times), Math.max(...times)].map((value) => places(value, 1));
  const nab = ours!.nab.standard!;
  const words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
  return [
    {
      text: `online, mean over ${words[sets.length]} labelled sets`,
      figures: [],
    },
    {
      text: "AUC-PR #, VUS-PR # (rolling z-score #, #;",
      figures: ranking.map((value) => places(value)),
    },
    {
      text: `NAB's standard score of the flags is # on its 35 development files (mean of ${
        words[nab.length]
      } seeds)`,
      figures: [places(mean(nab), 1)],
    },
    {
      text: "kinds of clean streams # alarms open where one is wanted, # to # on each",
      figures: [places(mean(times), 2), ...around],
    },
  ];
}

/** Least and most. */
function span(values: readonly number[], show: (value: number) => string): string[] {
  return [show(Math.min(...values)), show(Math.max(...values))];
}

/** Rows of a model on all series. */
function rowsOf(rows: ModelsData["rows"], name: string): ModelsData["rows"] {
  return rows.filter((row) => row.name === name || row.name.startsWith(`${name}/`));
}

function modelClaims(stored: Stored): Claim[] {
  const all = modelRows(stored);
  const names = ["committee", "committee with networks", "structural", "detector multiscale"];
  const [plain, whole, structural, detector] = names.map((name) => rowsOf(all, name));
  const committees = [plain!, whole!];
  const kilobytes = [plain!, whole!, structural!, detector!].map((rows) =>
    String(Math.round(Math.max(...rows.map(({ stateBytes }) => stateBytes)) / 1000))
  );
  return [
    {
      text: "one core | # to # ms; # to # ms |",
      figures: committees.flatMap((rows) =>
        span(rows.map(({ onlinePerS }) => 1000 / onlinePerS), (ms) => digits(ms, 2))
      ),
    },
    {
      text: "first 3,000 hourly samples | # to #; # to # updates/s |",
      figures: committees.flatMap((rows) =>
        span(rows.map(({ refitsPerS }) => refitsPerS!), (rate) => digits(rate))
      ),
    },
    {
      text: "| detector | # to # updates/s |",
      figures: span(detector!.map(({ onlinePerS }) => onlinePerS), (rate) => digits(rate)),
    },
    { text: "| # kB; # kB; # kB; # kB a channel |", figures: kilobytes },
  ];
}

function ingestClaims(stored: Stored): Claim[] {
  const { data: { rows }, date, runtime } = stored.ingest!;
  const of = (scenario: string) =>
    rows.find((row) => row.scenario === scenario && row.server.startsWith("driftline"))!.measured;
  const bare = rows.find(({ scenario, server }) =>
    scenario === "single" && server.startsWith("bare")
  )!;
  const [single, young, old, line] = ["single", "hundred", "hundred, old streams", "line"].map(of);
  const tails = ({ p50Ms, p99Ms }: { p50Ms: number; p99Ms: number }) => [
    digits(p50Ms, 2),
    digits(p99Ms, 2),
  ];
  return [
    {
      text: "#, two cores of an AMD EPYC that also carried the load generator; Deno #.",
      figures: [date.slice(0, 10), runtime.replace("deno ", "")],
    },
    {
      text: "64 connections | #/s, p50 # ms, p99 # ms; # of a bare route |",
      figures: [
        digits(single!.requestsPerS),
        ...tails(single!),
        digits(single!.requestsPerS / bare.measured.requestsPerS, 2),
      ],
    },
    {
      text: "| #; # samples/s acknowledged, #; # applied |",
      figures: [
        ...[young!.samplesPerS, old!.samplesPerS, young!.appliedPerS!, old!.appliedPerS!],
      ].map((rate) => digits(rate)),
    },
    {
      text: "100 lines a request | #/s, p50 # ms, p99 # ms |",
      figures: [digits(line!.requestsPerS), ...tails(line!)],
    },
  ];
}

function gpuClaims(stored: Stored): Claim[] {
  const kernel = (name: string) => stored.kernels!.data.rows.find((row) => row.name === name)!;
  const timed = (row: Row) => [digits(row.gpu!.ms, 2), digits(row.gpu!.ms / row.peer!.ms, 2)];
  const product = kernel("matmul 4096,4096,4096");
  const teraflops = flopOf(product.cost) / product.gpu!.ms / 1e9;
  const verdict = (item: string) =>
    verdicts(stored).find((one) => one.item.startsWith(item))!.values;
  const streams = 131_072;
  const serving = stored.serving!.data.rows
    .find((row) => row.device === "webgpu" && row.streams === streams)!;
  const millions = (ms: number) => digits(streams / ms / 1000, 2);
  const iteration = stored.training!.data.find(({ name }) => name.startsWith("mamba4"))!;
  return [
    {
      text: "one H100 | # ms, # of the CUDA kernel",
      figures: timed(kernel("selective_scan 8,2048,2048,16")),
    },
    {
      text: "one H100 | # ms, # of torch's FFT convolution |",
      figures: timed(kernel("linear_scan 8,512,4096,32")),
    },
    {
      text: "one H100 | # TFLOP/s, # of cuBLAS |",
      figures: [digits(teraflops, 2), digits(product.peer!.ms / product.gpu!.ms, 2)],
    },
    {
      text: "| # M updates/s on the GPU, # M from end to end |",
      figures: [millions(serving.gpuMs!), millions(serving.flightMs)],
    },
    {
      text: "one H100 | # ms, # of torch with its scan in torch |",
      figures: [digits(iteration.wallMs, 2), verdict("training iteration")],
    },
  ];
}

/**
 * Claims about the kernels of a CPU, of the table of iterations in docs/simd.md.
 *
 * @throws {RangeError} the page has no such table
 */
export function simdClaims(page: string): Claim[] {
  const table = /^\| member \| twins, ms.*\n.*\n((?:\|.*\n)+)/m.exec(page)?.[1];
  if (table === undefined) throw new RangeError("The page has no table of training iterations");
  const ratios = table.trim().split("\n").map((row) => Number(row.split("|").at(-2)));
  return [{
    text: "(training iterations # to # times as fast as with the twins, on one core)",
    figures: span(ratios, (ratio) => digits(ratio, 2)),
  }];
}

/** Claims about speed. @throws {TypeError} one of the benches was not recorded */
export function speedClaims(stored: Stored): Claim[] {
  return [...ingestClaims(stored), ...modelClaims(stored), ...gpuClaims(stored)];
}

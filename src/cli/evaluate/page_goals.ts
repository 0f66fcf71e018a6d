/** What the forecasts are meant to reach, beside what they reach. */
import { COMMITTEE_NETWORK, DEFAULT_MODEL } from "../../models/mod.ts";
import type { Figures } from "./figures.ts";
import { DRAWS } from "./settings.ts";
import { PLAIN_COMMITTEE } from "./subject.ts";

/** One goal and how far it is met. */
export interface Verdict {
  readonly goal: string;
  readonly atLeast: string;
  readonly reachFor: string;
  /** Empty where nothing is measured. */
  readonly reached: string;
  readonly isMet: boolean | null;
}

const PEER = "augurs-mstl";
const MAMBA = `${COMMITTEE_NETWORK}_mamba`;

/** A goal in two figures, MASE and WQL. */
interface RatioGoal {
  readonly goal: string;
  readonly model: string;
  readonly atLeast: readonly [mase: number, wql: number];
  readonly reachFor: readonly [mase: number, wql: number] | null;
}

const RATIOS: readonly RatioGoal[] = [
  {
    goal: "the S5 network alone, season found",
    model: COMMITTEE_NETWORK,
    atLeast: [0.74, 0.715],
    reachFor: [0.69, 0.66],
  },
  {
    goal: "the Mamba network alone, season found",
    model: MAMBA,
    atLeast: [0.76, 0.74],
    reachFor: null,
  },
  {
    goal: "the committee with the network, season found",
    model: DEFAULT_MODEL,
    atLeast: [0.7, 0.675],
    reachFor: [0.65, 0.61],
  },
  {
    goal: "the committee without it, season found",
    model: PLAIN_COMMITTEE,
    atLeast: [0.73, 0.72],
    reachFor: [0.7, 0.66],
  },
];

const COVER80 = [0.77, 0.83] as const;

function pair([mase, wql]: readonly [number, number]): string {
  return `${mase} / ${wql}`;
}

function ratioVerdict({ goal, model, atLeast, reachFor }: RatioGoal, figures: Figures): Verdict {
  const total = figures.total(model, "found");
  return {
    goal: `${goal}: MASE / WQL`,
    atLeast: `≤ ${pair(atLeast)}`,
    reachFor: reachFor === null ? "" : `≤ ${pair(reachFor)}`,
    reached: total === undefined ? "" : `${total.mase.toFixed(3)} / ${total.wql.toFixed(3)}`,
    isMet: total === undefined ? null : total.mase <= atLeast[0] && total.wql <= atLeast[1],
  };
}

function coverVerdict(figures: Figures): Verdict {
  const total = figures.total(COMMITTEE_NETWORK, "found");
  const [low, high] = COVER80;
  return {
    goal: "the S5 network alone: targets inside the 80 % interval",
    atLeast: `${low} to ${high}`,
    reachFor: "",
    reached: total?.cover80.toFixed(3) ?? "",
    isMet: total === undefined ? null : total.cover80 >= low && total.cover80 <= high,
  };
}

function voiceVerdict(figures: Figures): Verdict {
  const [heard, plain] = [DEFAULT_MODEL, PLAIN_COMMITTEE]
    .map((name) => figures.total(name, "found"));
  const isThere = heard !== undefined && plain !== undefined;
  const gain = (key: "mase" | "wql") => (heard![key] - plain![key]).toFixed(3);
  return {
    goal: "what the network adds to the committee: MASE / WQL",
    atLeast: "both below 0",
    reachFor: "",
    reached: isThere ? `${gain("mase")} / ${gain("wql")}` : "",
    isMet: isThere ? heard.mase < plain.mase && heard.wql < plain.wql : null,
  };
}

/** By how much errors grow. */
export interface Loss {
  /** Differences of the ratios to Seasonal Naive on the whole context. */
  readonly mase: number;
  readonly wql: number;
  /** The same over what the ratios were. */
  readonly maseShare: number;
  readonly wqlShare: number;
}

/** Loss in a setting against the whole context; null where one is missing or another version. */
export function lossOf(figures: Figures, name: string, setting: string): Loss | null {
  if (figures.record(name, "given")?.version !== figures.record(name, setting)?.version) {
    return null;
  }
  const whole = figures.total(name, "given");
  const less = figures.total(name, setting);
  if (whole === undefined || less === undefined) return null;
  const [mase, wql] = [less.mase - whole.mase, less.wql - whole.wql];
  return { mase, wql, maseShare: mase / whole.mase, wqlShare: wql / whole.wql };
}

/** Mean loss over the draws of 30 % of the samples that are measured. */
export function meanDropLoss(figures: Figures, name: string, draws = DRAWS): Loss | null {
  const losses = draws.map((draw) => lossOf(figures, name, draw)).filter((loss) => loss !== null);
  if (losses.length === 0) return null;
  const mean = (key: keyof Loss) =>
    losses.reduce((sum, loss) => sum + loss[key], 0) / losses.length;
  return {
    mase: mean("mase"),
    wql: mean("wql"),
    maseShare: mean("maseShare"),
    wqlShare: mean("wqlShare"),
  };
}

/** A loss as people read it: in shares of what was there. */
export function lossText({ maseShare, wqlShare }: Loss): string {
  return `${(100 * maseShare).toFixed(1)} % / ${(100 * wqlShare).toFixed(1)} %`;
}

function pointsText({ mase, wql }: Loss): string {
  const signed = (value: number) => `${value < 0 ? "" : "+"}${value.toFixed(3)}`;
  return `${signed(mase)} / ${signed(wql)}`;
}

/** What is lost where samples are dropped, in points of the ratio and in shares of it. */
function dropVerdicts(figures: Figures): Verdict[] {
  const draws = DRAWS.filter((draw) => figures.total(COMMITTEE_NETWORK, draw) !== undefined);
  const own = meanDropLoss(figures, COMMITTEE_NETWORK, draws);
  const peer = meanDropLoss(figures, PEER, draws);
  const verdict = (
    unit: string,
    text: (loss: Loss) => string,
    [mase, wql]: readonly [keyof Loss, keyof Loss],
  ): Verdict => ({
    goal: `the S5 network's loss where 30 % of the samples are dropped, mean of ${DRAWS.length} ` +
      `draws, ${unit}: MASE / WQL`,
    atLeast: `< half of ${PEER}'s${peer === null ? "" : ` ${text(peer)}`}`,
    reachFor: "",
    reached: own === null ? "" : text(own),
    isMet: own === null || peer === null
      ? null
      : own[mase] < peer[mase] / 2 && own[wql] < peer[wql] / 2,
  });
  return [
    verdict("in points of the ratio", pointsText, ["mase", "wql"]),
    verdict("in per cent of it", lossText, ["maseShare", "wqlShare"]),
  ];
}

/** Every goal with what is reached on the development windows. */
export function verdicts(figures: Figures): Verdict[] {
  return [
    ...RATIOS.map((goal) => ratioVerdict(goal, figures)),
    coverVerdict(figures),
    voiceVerdict(figures),
    ...dropVerdicts(figures),
  ];
}

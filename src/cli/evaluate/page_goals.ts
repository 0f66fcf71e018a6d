/** What the forecasts are meant to reach, beside what they reach. */
import { COMMITTEE_NETWORK, DEFAULT_MODEL } from "../../models/mod.ts";
import type { Figures } from "./figures.ts";
import type { Total } from "./score.ts";
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

function lossOf(whole: Total, dropped: Total, key: "mase" | "wql"): number {
  return dropped[key] / whole[key] - 1;
}

function dropVerdict(figures: Figures): Verdict {
  const totals = [COMMITTEE_NETWORK, PEER].map((name) => ({
    whole: figures.total(name, "given"),
    dropped: figures.total(name, "drop30"),
  }));
  const [own, peer] = totals.map(({ whole, dropped }) =>
    whole === undefined || dropped === undefined
      ? null
      : { mase: lossOf(whole, dropped, "mase"), wql: lossOf(whole, dropped, "wql") }
  );
  const text = (loss: { mase: number; wql: number }) =>
    `${(100 * loss.mase).toFixed(1)} % / ${(100 * loss.wql).toFixed(1)} %`;
  const isThere = own !== null && own !== undefined && peer !== null && peer !== undefined;
  return {
    goal: "the S5 network's loss where 30 % of the samples are dropped: MASE / WQL",
    atLeast: peer ? `< half of ${PEER}'s ${text(peer)}` : `< half of ${PEER}'s`,
    reachFor: "",
    reached: own ? text(own) : "",
    isMet: isThere ? own.mase < peer.mase / 2 && own.wql < peer.wql / 2 : null,
  };
}

/** Every goal with what is reached on the development windows. */
export function verdicts(figures: Figures): Verdict[] {
  return [
    ...RATIOS.map((goal) => ratioVerdict(goal, figures)),
    coverVerdict(figures),
    voiceVerdict(figures),
    dropVerdict(figures),
  ];
}

import { studentSurprise } from "./student.ts";

/**
 * Changes of the spread that last, up and down: blocks of samples whose moves from one to the next
 * are larger, or smaller, than those of the blocks before.
 *
 *   m_b = mean over 32 moves of log(|d| + 0.1·mean |d|)         d = remainder − the one before
 *   s_k = mean of the last k blocks                                              k = 1, 2, 4
 *   t_k = (s_k − mean) / (sd · sqrt(1 + 1/n))        mean, sd of the n means of k blocks before
 *   p   = P(|T| > |t_k|)                             T Student's with n − 1 degrees of freedom
 *
 * The logarithm makes little of a spike. Held against means of its own past, the statistic knows
 * how far they wander where spreads cluster, follow the hour, or are those of counts. A mean of k
 * blocks is learned once in k blocks, clipped at 3 sd, after it was looked at. What speaks is 1.5
 * times as far from the past as any mean before on its side, so that seldom storms are told once,
 * and at least a factor of 1.4. A change is told once; the next one of its side only after the
 * means have come back, or their past has come to them.
 */
const BLOCK = 32;
const SCALES = [1, 2, 4] as const;
const BLOCKS_KEPT = 4;
/** Means of a scale before it speaks. */
const MEANS_MIN = 12;
/** Means after which the past is forgotten. */
const MEMORY = 64;
const CLIP = 3;
/** Share of the mean move that floors one. */
const MOVE_FLOOR = 0.1;
/** Below this −log10 p the spread is as it was. */
const USUAL = 1.3;
const EFFECT_MIN = Math.log(1.4);
/** How much farther than the farthest mean before, of which so much is kept a mean. */
const RECORD_MIN = 1.5;
const RECORD_KEPT = 1 - 1 / 1024;
/** Means of which no record is made: their centre is not known. */
const UNKNOWN_MEANS = 4;
/** Blocks for which a change that was told is said to last. */
const LASTING_BLOCKS = 8;
/** Moves over more sampling periods than this are left out. */
const STEP_MAX = 1.5;
/** Two sides are twice as likely as one. */
const BOTH_SIDES = Math.log10(2);

/** What is known of the spread of a channel. */
export type SpreadChangeState = {
  /** Moves in the block at work, and the sum of their logarithms. */
  moves: number;
  sum: number;
  before: number;
  /** Blocks that are over. */
  blocks: number;
  /** Means of the last of them, by their number. */
  readonly recent: Float64Array;
  /** Means learned, at most 64, their mean and their variance.                      [scale, 3] */
  readonly past: Float64Array;
  /** How far a mean was above and below those before, at most.                      [scale, 2] */
  readonly records: Float64Array;
  /** 1 while a change that was told goes on upwards, −1 downwards, else 0; and when it was told. */
  side: number;
  toldBlock: number;
};

/** No past yet. */
export function initialSpreadChange(): SpreadChangeState {
  return {
    moves: 0,
    sum: 0,
    before: NaN,
    blocks: 0,
    recent: new Float64Array(BLOCKS_KEPT),
    past: new Float64Array(3 * SCALES.length),
    records: new Float64Array(2 * SCALES.length),
    side: 0,
    toldBlock: 0,
  };
}

/** True for some time after a change was told, while the spread is not what it was. */
export function isSpreadOdd({ side, blocks, toldBlock }: SpreadChangeState): boolean {
  return side !== 0 && blocks - toldBlock <= LASTING_BLOCKS;
}

/**
 * Advances by one sample.
 *
 * @param x     value, or what the season leaves of it
 * @param dt    sampling periods since the one before
 * @param unit  mean move so far
 * @returns −log10 p of a change at the end of a block, below 0 where the spread falls; else 0
 */
export function stepSpreadChange(
  state: SpreadChangeState,
  x: number,
  { dt, unit }: { readonly dt: number; readonly unit: number },
): number {
  const move = Math.abs(x - state.before);
  state.before = x;
  if (!(dt <= STEP_MAX) || !(unit > 0) || Number.isNaN(move)) return 0;
  state.sum += Math.log(move + MOVE_FLOOR * unit);
  state.moves++;
  if (state.moves < BLOCK) return 0;
  const mean = state.sum / BLOCK;
  state.moves = 0;
  state.sum = 0;
  return endBlock(state, mean);
}

/** What the scales say of a block: −log10 p of the oddest, and its side where it is a change. */
const oddest = { surprise: 0, side: 0 };

function endBlock(state: SpreadChangeState, mean: number): number {
  const { recent } = state;
  recent[state.blocks % BLOCKS_KEPT] = mean;
  state.blocks++;
  oddest.surprise = 0;
  oddest.side = 0;
  for (const [scale, width] of SCALES.entries()) {
    if (state.blocks < width) continue;
    let value = 0;
    for (let i = 1; i <= width; i++) value += recent[(state.blocks - i) % BLOCKS_KEPT]! / width;
    const off = value - state.past[3 * scale + 1]!;
    judge(state, scale, off);
    if (state.blocks % width === 0) learn(state, scale, off);
  }
  const { surprise, side } = oddest;
  if (surprise < USUAL) state.side = 0;
  return side === state.side ? 0 : side * surprise;
}

/** Where the record of a scale lies on the side of a distance. */
function recordAt(scale: number, off: number): number {
  return 2 * scale + (off > 0 ? 0 : 1);
}

/** Raises `oddest` to what a mean says that is so far from those before. */
function judge({ past, records }: SpreadChangeState, scale: number, off: number): void {
  const n = past[3 * scale]!;
  if (n < MEANS_MIN) return;
  const sd = Math.sqrt(past[3 * scale + 2]! * n / (n - 1));
  const t = Math.abs(off) / Math.max(sd * Math.sqrt(1 + 1 / n), Number.MIN_VALUE);
  const surprise = studentSurprise(t, n - 1) - BOTH_SIDES;
  if (surprise <= oddest.surprise) return;
  const isRecord = Math.abs(off) > RECORD_MIN * records[recordAt(scale, off)]!;
  oddest.surprise = surprise;
  oddest.side = isRecord && Math.abs(off) >= EFFECT_MIN ? Math.sign(off) : 0;
}

/** Learns that a mean of a scale is so far from those before. */
function learn({ past, records }: SpreadChangeState, scale: number, off: number): void {
  const n = past[3 * scale]!;
  for (const at of [recordAt(scale, 1), recordAt(scale, -1)]) {
    records[at] = records[at]! * RECORD_KEPT;
  }
  const at = recordAt(scale, off);
  if (n >= UNKNOWN_MEANS) records[at] = Math.max(records[at]!, Math.abs(off));
  const most = n >= MEANS_MIN ? CLIP * Math.sqrt(past[3 * scale + 2]!) : Infinity;
  const clipped = Math.min(most, Math.max(-most, off));
  const count = Math.min(n + 1, MEMORY);
  const rate = 1 / count;
  past[3 * scale] = count;
  past[3 * scale + 1] = past[3 * scale + 1]! + rate * clipped;
  past[3 * scale + 2] = (1 - rate) * (past[3 * scale + 2]! + rate * clipped * clipped);
}

/** A change that this block showed, upwards (1) or downwards (−1), has been told. */
export function tellSpreadChange(state: SpreadChangeState, side: number): void {
  state.side = side;
  state.toldBlock = state.blocks;
}

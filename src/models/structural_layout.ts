import type { Season } from "./season.ts";

/**
 * The structural model in continuous time, as a Kalman filter over one channel.
 *
 *   y(u) = level + Σ OU_k + Σ seasons + noise,   noise variance 1, others relative to it
 *   d level = alpha·slope du + sqrt(qL) dW,      d slope = −kappa·slope du + sigma dW
 *   d OU_k  = −OU_k / tau_k du + noise,          stationary variance v_k
 *   season  = Σ_j a_j cos(w_j u) + b_j sin(w_j u),   a_j, b_j random walks of variance q
 *
 * Time u is in slots. Seasons sit in a rotating frame: their states stay put and the observation
 * row turns with u, so every step length is exact and costs the same. `alpha` makes the slope's
 * share over one slot equal phi·slope, as in the discrete damped trend (Gardner and McKenzie 1985).
 *
 * The update is robust: an innovation beyond 4 running scales is clipped in
 * the mean, while the covariance is updated as usual. Harvey (1989) chapter 4 for the filter; the
 * constants and priors are those of docs/models_that_serve.md.
 *
 * States in order: level, slope (where present), OU terms, then the season states. The covariance
 * is packed by rows of its lower triangle: P[i, j] at i·(i + 1) / 2 + j for j ≤ i.
 */
export type StructuralKind = {
  readonly name: string;
  /** Relaxation times of the Ornstein–Uhlenbeck terms, in slots. */
  readonly tausSlots: readonly number[];
  /** Whether there is a damped slope. */
  readonly slope: boolean;
  /** Choices of the damping factor per slot. */
  readonly dampings: readonly number[];
  /** Filters the log (or root) of the values, where they allow it. */
  readonly transformed: boolean;
  /** Share of the multi-step error in the fitting criterion. */
  readonly multiStepShare: number;
};

/** Which states there are: a pure function of the kind and the seasons. */
export type StructuralLayout = {
  readonly kind: StructuralKind;
  readonly size: number;
  readonly ouStart: number;
  readonly seasonStart: number;
  /** Angular frequency per slot of each season state.                       [size − seasonStart] */
  readonly omegas: Float64Array;
  /** 2·cos of them: what a harmonic is continued by.                       [size − seasonStart] */
  readonly twiceCosines: Float64Array;
  /** 0 for a cosine, 1 for a sine state.                                    [size − seasonStart] */
  readonly sines: Uint8Array;
  /** Which season each state belongs to.                                    [size − seasonStart] */
  readonly seasonIndex: Uint8Array;
  /** Turns in a season of each season state.                                [size − seasonStart] */
  readonly turns: Uint16Array;
  /** Circles of the seasons; null where one is no whole number of slots, or long.   [season] */
  readonly circles: readonly Circle[] | null;
  /** Start variance of each season state.                                   [size − seasonStart] */
  readonly startVariance: Float64Array;
};

/** Cosines and sines of 2π k / length.                                                [length] */
export type Circle = { readonly cosines: Float64Array; readonly sines: Float64Array };

/** Longest season whose circle is kept, in slots: 64 KiB. */
export const CIRCLE_SLOTS_MAX = 4096;

/** Circles that are kept in a thread; streams mostly share their seasons. */
export const CIRCLES_MAX = 32;

const circles = new Map<number, Circle>();

/** The circle of a season; null where its length is no whole number of slots, or too large. */
function circleOf(length: number): Circle | null {
  if (!Number.isInteger(length) || length > CIRCLE_SLOTS_MAX) return null;
  let circle = circles.get(length);
  if (circle === undefined) {
    const angles = Float64Array.from({ length }, (_, k) => 2 * Math.PI * k / length);
    circle = { cosines: angles.map(Math.cos), sines: angles.map(Math.sin) };
    if (circles.size >= CIRCLES_MAX) circles.clear();
    circles.set(length, circle);
  }
  return circle;
}

/** Positions in a parameter vector; all but the damping are log10 of variances. */
export const THETA = { level: 0, slope: 1, damping: 2, ou: 3, season: 5, size: 7 } as const;

/** Most Ornstein–Uhlenbeck terms that a parameter vector has room for. */
const OU_MAX = 2;

/** Most harmonics of the first season. */
const HARMONICS_MAX = 12;

/** Harmonics of a second season seven times the first: its own, then sidebands of the first's. */
const WEEK_HARMONICS = [1, 2, 3, 4, 5, 6];
const WEEK_NEAR_SIDEBANDS = [8, 13, 15];
const WEEK_FAR_SIDEBANDS = [9, 12, 16, 20, 22, 27, 29];
const SECOND_HARMONICS = [1, 2, 3];

/** Most states of any layout: level, slope, OU terms, 12 + 16 harmonics of two states. */
export const STRUCTURAL_STATES_MAX = 2 + OU_MAX + 2 * (HARMONICS_MAX + 16);

const HARMONIC_START_VARIANCE = 10 ** 1.5;

type Harmonic = {
  omega: number;
  turns: number;
  variance: number;
  season: number;
  nyquist: boolean;
};

function harmonicsOf(seasons: readonly Season[]): Harmonic[] {
  const out: Harmonic[] = [];
  const add = (season: number, length: number, j: number, variance: number) =>
    out.push({
      omega: 2 * Math.PI * j / length,
      turns: j,
      variance,
      season,
      nyquist: Math.abs(j / length - 0.5) < 1e-9,
    });
  const first = seasons[0];
  if (first === undefined) return out;
  const harmonics = Math.min(Math.floor(first.length / 2), HARMONICS_MAX);
  for (let j = 1; j <= harmonics; j++) add(0, first.length, j, HARMONIC_START_VARIANCE / j);
  const second = seasons[1];
  if (second === undefined) return out;
  const ratio = second.length / first.length;
  const weekly = Math.abs(ratio - 7) < 1e-6;
  const candidates = !weekly
    ? SECOND_HARMONICS
    : second.length > 100
    ? [...WEEK_HARMONICS, ...WEEK_NEAR_SIDEBANDS, ...WEEK_FAR_SIDEBANDS]
    : [...WEEK_HARMONICS, ...WEEK_FAR_SIDEBANDS];
  for (const j of candidates) {
    const firstHarmonic = j / ratio;
    const coincides = Math.abs(firstHarmonic - Math.round(firstHarmonic)) < 1e-9;
    if (coincides || j / second.length > 0.5) continue;
    add(1, second.length, j, HARMONIC_START_VARIANCE / (j < 7 ? j : 3 + Math.floor(j / 7)));
  }
  return out;
}

/** Lays out the states of a kind for the given seasons (at most two). */
export function structuralLayout(
  kind: StructuralKind,
  seasons: readonly Season[],
): StructuralLayout {
  const omegas: number[] = [];
  const sines: number[] = [];
  const seasonIndex: number[] = [];
  const turns: number[] = [];
  const startVariance: number[] = [];
  for (const harmonic of harmonicsOf(seasons)) {
    // At half the sampling rate the sine is zero on every slot.
    for (const sine of harmonic.nyquist ? [0] : [0, 1]) {
      omegas.push(harmonic.omega);
      sines.push(sine);
      seasonIndex.push(harmonic.season);
      turns.push(harmonic.turns);
      startVariance.push(harmonic.variance);
    }
  }
  const ouStart = kind.slope ? 2 : 1;
  const seasonStart = ouStart + kind.tausSlots.length;
  const whole = seasons.map(({ length }) => circleOf(length));
  return {
    kind,
    size: seasonStart + omegas.length,
    ouStart,
    seasonStart,
    omegas: Float64Array.from(omegas),
    twiceCosines: Float64Array.from(omegas, (omega) => 2 * Math.cos(omega)),
    sines: Uint8Array.from(sines),
    seasonIndex: Uint8Array.from(seasonIndex),
    turns: Uint16Array.from(turns),
    circles: whole.every((circle) => circle !== null) ? whole : null,
    startVariance: Float64Array.from(startVariance),
  };
}

/**
 * Cosines and sines of a layout's seasons at the two slot times last asked for: a sample's own and
 * the one ahead, which is mostly the next sample's.
 */
export type SeasonPhases = {
  u: number;
  /** [size − seasonStart] */
  values: Float64Array;
  otherU: number;
  /** [size − seasonStart] */
  others: Float64Array;
};

/** Phases at no time yet. */
export function seasonPhases(layout: StructuralLayout): SeasonPhases {
  const count = layout.omegas.length;
  return {
    u: NaN,
    values: new Float64Array(count),
    otherU: NaN,
    others: new Float64Array(count),
  };
}

/** The phases at slot time `u`, good until two other times are asked for.  [size − seasonStart] */
export function phasesAt(layout: StructuralLayout, phases: SeasonPhases, u: number): Float64Array {
  if (phases.u === u) return phases.values;
  const { otherU, others } = phases;
  phases.otherU = phases.u;
  phases.others = phases.values;
  phases.u = u;
  phases.values = others;
  if (otherU === u) return others;
  if (layout.circles !== null && Number.isSafeInteger(u)) {
    phasesOnSlot(layout, layout.circles, u, others);
  } else phasesBetween(layout, u, others);
  return others;
}

function phasesBetween({ omegas, sines }: StructuralLayout, u: number, out: Float64Array): void {
  for (let i = 0; i < out.length; i++) {
    const angle = omegas[i]! * u;
    out[i] = sines[i] === 1 ? Math.sin(angle) : Math.cos(angle);
  }
}

/** Phases at a whole slot, where all harmonics of a season are on its circle. */
function phasesOnSlot(
  { turns, sines, seasonIndex }: StructuralLayout,
  onCircle: readonly Circle[],
  u: number,
  out: Float64Array,
): void {
  for (let season = 0, i = 0; i < out.length; season++) {
    const { cosines, sines: sinesOf } = onCircle[season]!;
    const length = cosines.length;
    const rest = u - length * Math.floor(u / length);
    // The quotient of a slot just before a season may have been rounded up.
    const slot = (rest < 0 ? rest + length : rest) | 0;
    for (; i < out.length && seasonIndex[i] === season; i++) {
      const at = turns[i]! * slot % length;
      out[i] = sines[i] === 1 ? sinesOf[at]! : cosines[at]!;
    }
  }
}

/** Writes the observation row at slot time `u`.                                          [size] */
export function observationRowInto(
  layout: StructuralLayout,
  u: number,
  row: Float64Array,
  phases: SeasonPhases = seasonPhases(layout),
): void {
  row[0] = 1;
  if (layout.kind.slope) row[1] = 0;
  for (let i = layout.ouStart; i < layout.seasonStart; i++) row[i] = 1;
  if (layout.omegas.length > 0) row.set(phasesAt(layout, phases, u), layout.seasonStart);
}

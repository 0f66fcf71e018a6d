import { nextNormal, nextUniform, type RandomState } from "../../src/base/random.ts";
import { beatOf } from "./_helpers/beat.ts";
import { between, chance, logBetween, normals, pick, wholeBetween } from "./_helpers/draw.ts";
import { wholeDraft } from "./_helpers/draft.ts";
import type { Draft, Generator } from "./generator.ts";
import { smoothProcess } from "./_helpers/process.ts";
import { addInto, standardizeInto } from "./_helpers/series.ts";
import { measureInto } from "./_helpers/transform.ts";

/** A flow in the plane or in space: writes the velocity at x into v. */
interface Flow {
  readonly start: readonly number[];
  /** Its own time in one turn, about. */
  readonly turn: number;
  velocity(x: Float64Array, v: Float64Array): void;
}

/** Van der Pol: x'' = μ(1 − x²)x' − x. */
function vanDerPol(random: RandomState): Flow {
  const mu = logBetween(random, 0.2, 3);
  return {
    start: [1, 0],
    turn: 2 * Math.PI + (3 - 2 * Math.log(2)) * Math.max(0, mu - 1),
    velocity: (x, v) => {
      v[0] = x[1]!;
      v[1] = mu * (1 - x[0]! * x[0]!) * x[1]! - x[0]!;
    },
  };
}

/** Lotka and Volterra in logarithms, so that no population passes zero. */
function predators(random: RandomState): Flow {
  const a = between(random, 0.7, 1.4);
  const b = between(random, 0.7, 1.4);
  return {
    start: [between(random, 0.2, 1.2), 0],
    turn: 2 * Math.PI / Math.sqrt(a * b),
    velocity: (x, v) => {
      v[0] = a - a * Math.exp(x[1]!);
      v[1] = b * Math.exp(x[0]!) - b;
    },
  };
}

/** Lorenz 1963, chaotic. */
function lorenz(random: RandomState): Flow {
  const rho = between(random, 24, 40);
  return {
    start: [nextNormal(random), nextNormal(random), 25],
    turn: 0.75,
    velocity: (x, v) => {
      v[0] = 10 * (x[1]! - x[0]!);
      v[1] = x[0]! * (rho - x[2]!) - x[1]!;
      v[2] = x[0]! * x[1]! - 8 / 3 * x[2]!;
    },
  };
}

/** Rössler 1976: near periodic or chaotic by its third constant. */
function rossler(random: RandomState): Flow {
  const c = between(random, 2.5, 7);
  return {
    start: [1, 1, 0],
    turn: 5.9,
    velocity: (x, v) => {
      v[0] = -x[1]! - x[2]!;
      v[1] = x[0]! + 0.2 * x[1]!;
      v[2] = 0.2 + x[2]! * (x[0]! - c);
    },
  };
}

/** FitzHugh and Nagumo: rests and fires. */
function neuron(random: RandomState): Flow {
  const current = between(random, 0.35, 1.2);
  return {
    start: [nextNormal(random), 0],
    turn: 40,
    velocity: (x, v) => {
      v[0] = x[0]! - x[0]! ** 3 / 3 - x[1]! + current;
      v[1] = 0.08 * (x[0]! + 0.7 - 0.8 * x[1]!);
    },
  };
}

const FLOWS = [vanDerPol, predators, lorenz, rossler, neuron];

/** Midpoint steps in a turn at least, so that the stiffest of the flows stays on its cycle. */
const STEPS_PER_TURN = 100;

/** Follows a flow at `period` slots a turn; pushed by noise in two of five. */
function follow(random: RandomState, flow: Flow, length: number, period: number): Float64Array {
  const substeps = Math.max(1, Math.ceil(STEPS_PER_TURN / period));
  const h = flow.turn / (period * substeps);
  const x = Float64Array.from(flow.start);
  const v = new Float64Array(x.length);
  const middle = new Float64Array(x.length);
  const push = chance(random, 0.4) ? logBetween(random, 0.005, 0.1) * Math.sqrt(h) : 0;
  const out = new Float64Array(length);
  const lead = Math.min(400, Math.ceil(2 * STEPS_PER_TURN / substeps));
  for (let i = -lead; i < length; i++) {
    for (let k = 0; k < substeps; k++) {
      flow.velocity(x, v);
      for (let d = 0; d < x.length; d++) middle[d] = x[d]! + h / 2 * v[d]!;
      flow.velocity(middle, v);
      for (let d = 0; d < x.length; d++) x[d]! += h * v[d]!;
      if (push > 0) x[0]! += push * nextNormal(random);
    }
    if (i >= 0) out[i] = x[0]!;
  }
  return out;
}

/** A damped linear oscillator pushed by noise or by knocks, up to three of them summed. */
function linear(random: RandomState, length: number): Float64Array {
  const out = new Float64Array(length);
  for (let more = wholeBetween(random, 1, 3); more > 0; more--) {
    const turn = 2 * Math.PI / logBetween(random, 3, 300);
    const damping = Math.exp(-turn * logBetween(random, 0.0005, 0.5));
    const [c, s] = [damping * Math.cos(turn), damping * Math.sin(turn)];
    const isKnocked = chance(random, 0.35);
    const push = Math.sqrt(1 - damping * damping) + 1e-6;
    const gain = logBetween(random, 0.2, 1);
    let x = nextNormal(random);
    let y = nextNormal(random);
    for (let i = 0; i < length; i++) {
      const e = isKnocked
        ? (nextUniform(random) < turn / 20 ? 3 * nextNormal(random) : 0)
        : push * nextNormal(random);
      const next = c * x - s * y + e;
      y = s * x + c * y;
      x = next;
      out[i]! += gain * x;
    }
  }
  return out;
}

/** Mackey and Glass 1977: a delayed feedback, periodic or chaotic by its delay. */
function delayed(random: RandomState, length: number): Float64Array {
  const delay = wholeBetween(random, 8, 34);
  const stretch = pick(random, [0.5, 1, 2]);
  const steps = Math.ceil((length + 200) * stretch) + delay;
  const x = new Float64Array(steps + 1).fill(0.9);
  for (let i = 0; i < delay; i++) x[i] = 0.9 + 0.2 * nextUniform(random);
  for (let i = delay; i < steps; i++) {
    const late = x[i - delay]!;
    const squares = late * late;
    x[i + 1] = 0.9 * x[i]! + 0.2 * late / (1 + squares ** 5);
  }
  const from = steps - Math.ceil(length * stretch);
  return Float64Array.from({ length }, (_, i) => x[from + Math.floor(i * stretch)]!);
}

/** Oscillations of systems: linear, of a limit cycle, or chaotic. */
export const oscillator: Generator = {
  name: "oscillator",
  summary: "damped linear oscillators, limit cycles (Van der Pol, Lotka and Volterra, FitzHugh " +
    "and Nagumo), chaos (Lorenz, Rössler, Mackey and Glass), with noise inside and outside",
  draw(random: RandomState, length: number): Draft {
    const kind = nextUniform(random);
    let out: Float64Array;
    if (kind < 0.35) out = linear(random, length);
    else if (kind < 0.45) out = delayed(random, length);
    else {
      const flow = FLOWS[wholeBetween(random, 0, FLOWS.length - 1)]!(random);
      out = follow(random, flow, length, logBetween(random, 6, 250));
    }
    standardizeInto(out);
    const season = beatOf(out);
    if (chance(random, 0.7)) addInto(out, normals(random, length), logBetween(random, 0.01, 0.5));
    if (chance(random, 0.25)) {
      addInto(out, smoothProcess(random, length), logBetween(random, 0.1, 1));
    }
    if (chance(random, 0.3)) measureInto(random, out);
    return wholeDraft(out, season);
  },
};

import { discretizeDense } from "../ssm/discretize.ts";
import { hippoTransition } from "../ssm/hippo.ts";

/**
 * The last stretch of a signal as a few Legendre coefficients: its mean, tilt and bends.
 *
 *   window·dx/du = A·x + B·z,   A, B of the translated Legendre measure (LegT)
 *
 * HiPPO (arXiv 2008.07669) appendix D.2 in the scaling of Legendre Memory Units; zero-order hold,
 * so that any step is exact for an input held over it. From the coefficients any delay within the
 * window can be read linearly, which is what a readout does.
 */
export type DelayMemory = {
  readonly windowSlots: number;
  readonly A: Float64Array;
  readonly B: Float64Array;
  /** The step that `Abar` and `Bbar` are for; mostly the same one again and again. */
  dt: number;
  Abar: Float64Array;
  Bbar: Float64Array;
  readonly scratch: Float64Array;
};

/** Coefficients of a memory. */
export const DELAY_STATES = 4;

/** A memory of the last `windowSlots` slots. */
export function delayMemory(windowSlots: number): DelayMemory {
  const { A, B } = hippoTransition("lmu", DELAY_STATES);
  const empty = new Float64Array(0);
  const scratch = new Float64Array(DELAY_STATES);
  return { windowSlots, A, B, dt: NaN, Abar: empty, Bbar: empty, scratch };
}

/** Advances the coefficients by `dt` slots onto a value.                                 [state] */
export function delayObserve(
  memory: DelayMemory,
  state: Float64Array,
  dt: number,
  value: number,
): void {
  if (memory.dt !== dt) {
    const step = { method: "zoh", stateSize: DELAY_STATES, dt: dt / memory.windowSlots } as const;
    const { Abar, Bbar } = discretizeDense(memory.A, memory.B, step);
    memory.dt = dt;
    memory.Abar = Abar;
    memory.Bbar = Bbar;
  }
  const { Abar, Bbar, scratch } = memory;
  for (let i = 0; i < DELAY_STATES; i++) {
    let sum = Bbar[i]! * value;
    for (let j = 0; j < DELAY_STATES; j++) sum += Abar[i * DELAY_STATES + j]! * state[j]!;
    scratch[i] = sum;
  }
  state.set(scratch);
}

import { FILTER_KINDS } from "../../src/models/members.ts";
import type { StructuralKind } from "../../src/models/structural_layout.ts";

/** A filter without a slope, with two relaxation times. */
export const STEADY: StructuralKind = {
  name: "steady",
  tausSlots: [2, 16],
  slope: false,
  dampings: [],
  transformed: false,
  multiStepShare: 0,
};

/** The filters that serve, and {@linkcode STEADY}. */
export const KINDS = { ...FILTER_KINDS, steady: STEADY };

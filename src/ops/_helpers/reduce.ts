/** Sums over rows: how the gradients of weights that many rows share are collected on a GPU. */
import type { LaunchPlan, Pass } from "../op.ts";
import { groupsFor, powerOfTwoAtLeast, vectorOf } from "./plan.ts";

/** Invocations of a workgroup that sums columns. */
const GROUP = 256;
/** Rows that an invocation has under way at once. */
const LOADS = 4;
/** Columns, or vectors of them, that a workgroup takes: what one load of a warp covers. */
const ACROSS_MAX = 32;
/** The least, for few columns with as many rows as one pass adds. */
const ACROSS_MIN = 2;
/** Workgroups that give every processor some. */
const GROUPS_MIN = 256;
/** Rows that one pass adds without parts: what is left to win is less than another pass costs. */
const ROWS_OF_ONE_PASS_MAX = 2048;
/** Workgroups that fill a GPU several times over. */
const GROUPS_ENOUGH = 1024;
/** Turns of an invocation's loop from which on a part is worth another row of sums. */
const TURNS_PER_PART_MIN = 2;
/** Workgroups along one axis that every device takes; more columns go on along another axis. */
const GROUPS_PER_AXIS_MAX = 65_535;

/** What {@linkcode columnSums} adds. */
export interface ColumnSums {
  /** Name of the tensor that receives the sums.                                  [columns] */
  readonly target: string;
  /** Name of the tensor whose rows are added.                               [rows, stride] */
  readonly left: string;
  /** A second tensor of the same form, multiplied elementwise. */
  readonly right?: string;
  readonly rows: number;
  readonly columns: number;
  /** Distance of rows in `left` and `right`; default `columns`. */
  readonly stride?: number;
  /** First column that is added; default 0. */
  readonly offset?: number;
}

/** Sizes of one pass, in elements of the shader: columns, or vectors of them. */
interface Sizes {
  readonly rows: number;
  readonly columns: number;
  readonly stride: number;
  readonly offset: number;
}

/**
 * Passes that compute target[c] = Σ_r left[r, offset + c]·right[r, offset + c], without atomics and
 * in a fixed order: partial sums of runs of rows, then the sum of those.
 */
export function columnSums(sums: ColumnSums): Pick<LaunchPlan, "scratch" | "passes"> {
  const { target, left, right, rows, columns, stride = columns, offset = 0 } = sums;
  const vector = vectorOf(columns, stride, offset);
  const sizes: Sizes = {
    rows,
    columns: columns / vector,
    stride: stride / vector,
    offset: offset / vector,
  };
  const isShort = rows <= ROWS_OF_ONE_PASS_MAX;
  const across = isShort ? acrossOf(rows, sizes.columns) : acrossOf(1, sizes.columns);
  const rowsAtOnce = GROUP / across * LOADS;
  const wanted = groupsFor(GROUPS_ENOUGH, Math.max(1, groupsFor(sizes.columns, across)));
  const turns = Math.floor(rows / (rowsAtOnce * TURNS_PER_PART_MIN));
  const most = isShort ? 1 : Math.max(1, Math.min(wanted, turns));
  const rowsPerPart = Math.max(1, groupsFor(rows, most));
  const parts = Math.max(1, groupsFor(rows, rowsPerPart));
  const factors = [`left=${left}`, ...(right === undefined ? [] : [`right=${right}`])];
  if (parts === 1) {
    return {
      scratch: {},
      passes: [sumPass([...factors, `sums=${target}`], sizes, { across, rowsPerPart, vector })],
    };
  }
  const scratch = `${target}Parts`;
  const ofParts = { rows: parts, columns: sizes.columns, stride: sizes.columns, offset: 0 };
  return {
    scratch: { [scratch]: parts * columns },
    passes: [
      sumPass([...factors, `sums=${scratch}`], sizes, { across, rowsPerPart, vector }),
      sumPass([`left=${scratch}`, `sums=${target}`], ofParts, {
        across: acrossOf(parts, sizes.columns),
        rowsPerPart: parts,
        vector,
      }),
    ],
  };
}

/**
 * Columns of a workgroup that adds so many rows: what a warp loads at once, or fewer where too few
 * workgroups would each go down many rows.
 */
function acrossOf(rows: number, columns: number): number {
  let across = ACROSS_MAX;
  const isSlow = () => across * rows > GROUP * LOADS && groupsFor(columns, across) < GROUPS_MIN;
  while (across > ACROSS_MIN && isSlow()) across /= 2;
  return Math.min(across, powerOfTwoAtLeast(columns));
}

/** One pass of `shared/column_sums`. */
function sumPass(
  bindings: readonly string[],
  sizes: Sizes,
  { across, rowsPerPart, vector }: { across: number; rowsPerPart: number; vector: number },
): Pass {
  const groups = groupsFor(sizes.columns, across);
  const layers = Math.max(1, groupsFor(groups, GROUPS_PER_AXIS_MAX));
  return {
    shader: "shared/column_sums",
    entry: "sum_rows",
    constants: {
      GROUP,
      LOADS,
      ACROSS: across,
      VECTOR: vector,
      HAS_RIGHT: bindings.length === 3 ? 1 : 0,
    },
    dims: { ...sizes, rowsPerPart },
    bindings,
    workgroups: [
      groupsFor(groups, layers),
      Math.max(1, groupsFor(sizes.rows, rowsPerPart)),
      layers,
    ],
  };
}

/** Several pieces of a plan as one, in order. */
export function joinPlans(
  ...plans: readonly Pick<LaunchPlan, "scratch" | "passes">[]
): LaunchPlan {
  return {
    scratch: Object.assign({}, ...plans.map(({ scratch }) => scratch)),
    passes: plans.flatMap(({ passes }) => passes),
  };
}

/** The passes of `shaders/ssd.wgsl`, which the op and its way back share, and their geometry. */
import type { SsdSizes } from "../../ssm/ssd.ts";
import type { Pass } from "../op.ts";
import { groupsFor, POINTWISE_GROUP, powerOfTwoAtLeast } from "./plan.ts";

/** How `ssd` is cut into pieces on a GPU; every choice gives the same result. */
export interface SsdGeometry {
  /** Samples of a chunk: 32, 64, 128 or 256. */
  readonly chunk: number;
  /** Terms of a product that are staged at once: 8 or 16. */
  readonly steps: number;
  /** Runs of chunks that are walked over side by side. */
  readonly runs: number;
  /** Rows of a tile of products, at most: so many invocations have a workgroup; 32, 64 or 128. */
  readonly rows: number;
}

const ROWS_MAX = 128;
/** Rows that 32 neighbours hold. */
const ROWS_MIN = 32;
/**
 * Samples of a chunk. On an H100 at 8 rows of 2,048 samples, 32 heads of 64 features and 128
 * states, 64 take 0.78 ms, 128 take 0.84 and 256 take 1.00: more pairs are computed that no sum
 * takes, and larger workgroups wait longer for each other.
 */
const CHUNK = 64;
const STEPS = 16;
/** Heads that a workgroup of the pass over the rates takes. */
const RATE_HEADS = 32;
/** Workgroups of the walk over the chunks that fill a GPU: two on each unit of an H100. */
const GROUPS_ENOUGH = 256;

/** Rows of a workgroup for so many in all. */
function rowsFor(count: number, most: number): number {
  return Math.min(most, Math.max(ROWS_MIN, powerOfTwoAtLeast(count)));
}

/** vec4s of columns of an invocation. */
function vectorsFor(feature: number): number {
  return feature > 32 ? 2 : 1;
}

/** Numbers of states in blocks: a multiple of the staged terms. */
function statesOf({ state }: SsdSizes): number {
  return STEPS * groupsFor(state, STEPS);
}

/** The geometry for a call. */
export function ssdGeometry(sizes: SsdSizes): SsdGeometry {
  const { batch, length, head, feature } = sizes;
  const chunks = groupsFor(length, CHUNK);
  const states = statesOf(sizes);
  const parts = groupsFor(states, rowsFor(states, ROWS_MAX)) *
    groupsFor(feature, 32 * vectorsFor(feature));
  const runs = groupsFor(GROUPS_ENOUGH, Math.max(1, batch * head * parts));
  return { chunk: CHUNK, steps: STEPS, runs: Math.max(1, Math.min(chunks, runs)), rows: ROWS_MAX };
}

/** Which of the optional tensors that rates are made of there are. */
export interface SsdGiven {
  readonly A: boolean;
  readonly D: boolean;
}

/** The counts and sizes that all passes of one call share. */
function layoutOf(sizes: SsdSizes, geometry: SsdGeometry) {
  const { batch, length, head, feature, group, state } = sizes;
  const chunks = groupsFor(length, geometry.chunk);
  const chunksOfRun = Math.max(1, groupsFor(chunks, geometry.runs));
  const runs = Math.max(1, groupsFor(chunks, chunksOfRun));
  const states = statesOf(sizes);
  const vectors = vectorsFor(feature);
  const featureParts = groupsFor(feature, 32 * vectors);
  const stateRows = rowsFor(states, geometry.rows);
  return {
    ...{ chunks, runs, states, vectors, featureParts, stateRows },
    sampleRows: rowsFor(geometry.chunk, geometry.rows),
    dims: {
      ...{ batch, length, head, feature, group, state, states, chunks, runs, chunksOfRun },
      ...{ fours: groupsFor(feature, 4), featureParts, stateParts: groupsFor(states, stateRows) },
    },
    isAligned: feature % 4 === 0 && state % 4 === 0,
    /** Every tile is full. */
    isWhole: length % geometry.chunk === 0 && feature % (32 * vectors) === 0 &&
      state % stateRows === 0,
  };
}

/** The constants that passes without tiles do not read: one program serves all calls. */
const UNREAD = { ROWS: ROWS_MIN, VECTORS: 1, STEPS, ALIGNED: 0, WHOLE: 0 };

/** What may differ between passes of an entry. */
interface PassOptions {
  readonly back?: boolean;
  readonly rows?: number;
  readonly flags?: Readonly<Record<string, number>>;
}

type Layout = ReturnType<typeof layoutOf>;
type PassMaker = (
  entry: string,
  bindings: readonly string[],
  workgroups: readonly [number, number, number],
  options?: PassOptions,
) => Pass;

/** Makes passes of `shaders/ssd.wgsl`. */
function passMaker(layout: Layout, { chunk, steps }: SsdGeometry): PassMaker {
  return (entry, bindings, workgroups, options = {}) => ({
    shader: "ssd",
    entry,
    constants: {
      ROWS: options.rows ?? layout.sampleRows,
      VECTORS: layout.vectors,
      STEPS: steps,
      PAD: 0,
      COPY_GROUP: POINTWISE_GROUP,
      CHUNK: chunk,
      ALIGNED: layout.isAligned ? 1 : 0,
      WHOLE: layout.isWhole ? 1 : 0,
      BACK: options.back ? 1 : 0,
      HAS_A: 0,
      HAS_D: 0,
      HAS_X0: 0,
      HAS_STATE: 0,
      HAS_RUNS: 0,
      HAS_NEAR: 0,
      HAS_DOTS: 0,
      ...options.flags,
    },
    dims: layout.dims,
    bindings,
    workgroups,
  });
}

/** Tensors of {@linkcode walkPasses}. */
interface WalkNames {
  readonly u: string;
  readonly B: string;
  /** Receives the states before the chunks, and before the runs. */
  readonly ends: string;
  readonly x0?: string;
  /** Receives the last state. */
  readonly state?: string;
}

/** The walk over the chunks, and where there are several runs the pass that joins them. */
function walkPasses(pass: PassMaker, layout: Layout, names: WalkNames, back: boolean): Pass[] {
  const { runs, states, stateRows, featureParts, dims } = layout;
  const { batch, head } = dims;
  const isJoined = runs > 1;
  const state = names.state ? [`state=${names.state}`] : [];
  const walk = pass(
    "reduce_runs",
    [
      ...[`samples0=${names.u}`, `rows0=${names.B}`, "rate=rates", `ends=${names.ends}`],
      ...(names.x0 ? [`x0=${names.x0}`] : []),
      ...(isJoined ? [] : state),
    ],
    [runs * featureParts * groupsFor(states, stateRows), head, batch],
    {
      back,
      rows: stateRows,
      flags: {
        HAS_X0: names.x0 ? 1 : 0,
        HAS_RUNS: isJoined ? 1 : 0,
        HAS_STATE: isJoined ? 0 : state.length,
      },
    },
  );
  if (!isJoined) return [walk];
  const join = pass(
    "carry_runs",
    [`ends=${names.ends}`, ...state],
    [groupsFor(states * dims.fours, POINTWISE_GROUP), head, batch],
    { back, flags: { ...UNREAD, CHUNK, HAS_STATE: state.length } },
  );
  return [walk, join];
}

/** Tensors of {@linkcode applyPass}. */
interface ApplyNames {
  readonly turnedC: string;
  readonly befores: string;
  /** What the outputs need; without it only `dots` are wanted. */
  readonly near?: { readonly samples0: string; readonly pairs: string; readonly y: string };
  /** Products of the outputs of the carried state with `samples1`. */
  readonly dots?: { readonly samples1: string; readonly dots: string };
}

/** The outputs. */
function applyPass(
  pass: PassMaker,
  layout: Layout,
  names: ApplyNames,
  groups: number,
  back: boolean,
) {
  const { turnedC, befores, near, dots } = names;
  const rest = Object.entries({ ...near, ...dots }).map(([key, name]) => `${key}=${name}`);
  return pass(
    "apply_chunks",
    [`turnedC=${turnedC}`, `befores=${befores}`, "rate=rates", ...rest],
    [groups * layout.featureParts, layout.dims.head, layout.dims.batch],
    {
      back,
      flags: {
        HAS_RUNS: layout.runs > 1 ? 1 : 0,
        HAS_NEAR: near ? 1 : 0,
        HAS_DOTS: dots ? 1 : 0,
      },
    },
  );
}

/** The makers of the passes for one call, and the sizes of what they fill. */
export function ssdPasses(sizes: SsdSizes, given: SsdGiven, geometry: SsdGeometry) {
  const { batch, head, group } = sizes;
  const { chunk } = geometry;
  const layout = layoutOf(sizes, geometry);
  const { chunks, runs, states, vectors, featureParts, sampleRows, dims } = layout;
  const sampleTiles = chunks * chunk / sampleRows;
  const pass = passMaker(layout, geometry);
  return {
    /** Samples side by side: `turned${name}` of `name`. */
    turn: (name: "B" | "C") =>
      pass("turn_rows", [`rows=${name}`, `turned=turned${name}`], [
        groupsFor(states * chunk / 4, POINTWISE_GROUP),
        chunks,
        batch * group,
      ], { flags: UNREAD }),
    rates: () =>
      pass(
        "stage_rates",
        ["delta", ...(given.A ? ["A"] : []), ...(given.D ? ["D"] : []), "rates"],
        [groupsFor(head, RATE_HEADS), chunks, batch],
        { flags: { ...UNREAD, HAS_A: given.A ? 1 : 0, HAS_D: given.D ? 1 : 0 } },
      ),
    /** C[i].B[j] of all pairs, or with `back` for the sums over i. */
    scores: (scores: string, back = false) =>
      pass(
        "score_pairs",
        [...(back ? ["rows0=C", "rows1=B"] : ["rows0=B", "rows1=C"]), `scores=${scores}`],
        [sampleTiles * groupsFor(chunk, 32 * vectors), group, batch],
        { back, flags: { PAD: 1 } },
      ),
    reduce: (names: WalkNames, back = false) => walkPasses(pass, layout, names, back),
    apply: (names: ApplyNames, back = false) => applyPass(pass, layout, names, sampleTiles, back),
    chunks,
    scratch: {
      rates: 4 * batch * chunks * head * (chunk + 1),
      turned: batch * chunks * group * states * chunk,
      scores: batch * chunks * group * chunk * chunk,
      ends: 4 * batch * head * (chunks + runs) * (states * dims.fours + 1),
      dots: featureParts * batch * chunks * head * chunk,
    },
  };
}

type BackwardPassMaker = (
  entry: string,
  bindings: readonly string[],
  workgroups: readonly [number, number, number],
  vectors: number,
  flags?: Readonly<Record<string, number>>,
) => Pass;

/** Makes passes of `shaders/backward/ssd.wgsl`. */
function backwardPassMaker(
  { sampleRows, dims, isAligned, isWhole }: Layout,
  { chunk }: SsdGeometry,
  stateParts: number,
): BackwardPassMaker {
  return (entry, bindings, workgroups, vectors, flags = {}) => ({
    shader: "backward/ssd",
    entry,
    constants: {
      GROUP: sampleRows,
      ROWS: sampleRows,
      VECTORS: vectors,
      // The sums along rows and columns take a staged side's place of so many terms.
      STEPS,
      PAD: 1,
      CHUNK: chunk,
      ALIGNED: isAligned ? 1 : 0,
      WHOLE: isWhole ? 1 : 0,
      HAS_A: 0,
      HAS_D: 0,
      HAS_RUNS: 0,
      OF_C: 0,
      ...flags,
    },
    dims: { ...dims, stateParts },
    bindings,
    workgroups,
  });
}

/** The makers of the passes of `shaders/backward/ssd.wgsl` for one call. */
export function ssdBackwardPasses(sizes: SsdSizes, geometry: SsdGeometry, given: SsdGiven) {
  const { batch, head, group, state } = sizes;
  const { chunk } = geometry;
  const layout = layoutOf(sizes, geometry);
  const { chunks, runs, sampleRows } = layout;
  const sampleParts = chunk / sampleRows;
  const rowVectors = vectorsFor(state);
  const stateParts = groupsFor(state, 32 * rowVectors);
  // Narrow tiles, since an invocation keeps a second one, the sum over the heads.
  const pairVectors = 1;
  const pairColumns = groupsFor(chunk, 32 * pairVectors);
  const pass = backwardPassMaker(layout, geometry, stateParts);
  return {
    /** Planes of `steps`. */
    planes: 2 + pairColumns + 2 * sampleParts,
    pairs: () =>
      pass(
        "pair_samples",
        ["samples0=u", "samples1=gradY", "rate=rates", "pairs", "weights", "steps"],
        [chunks * sampleParts * pairColumns, group, batch],
        pairVectors,
      ),
    /** The gradient of B or of C. */
    rows: (
      name: "B" | "C",
      names: { readonly samples0: string; readonly rows0: string; readonly befores: string },
    ) =>
      pass(
        "reach_rows",
        [
          ...Object.entries(names).map(([key, name]) => `${key}=${name}`),
          ...["rate=rates", "weighed=weights", `rows=grad${name}`],
        ],
        [chunks * sampleParts * stateParts, group, batch],
        rowVectors,
        { OF_C: name === "C" ? 1 : 0, HAS_RUNS: runs > 1 ? 1 : 0 },
      ),
    steps: (hasSums: boolean) =>
      pass(
        "reach_steps",
        [
          ...["rate=rates", "steps", "ofBefore", "ofAfter", "befores=ends", "afters=flows"],
          ...["gradDelta", ...(hasSums ? ["sums"] : [])],
        ],
        [chunks, head, batch],
        pairVectors,
        { HAS_A: given.A ? 1 : 0, HAS_D: given.D ? 1 : 0 },
      ),
  };
}

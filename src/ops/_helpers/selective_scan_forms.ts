/**
 * Which form of the tiled `selective_scan` a GPU runs: the one place that decides by rows (batch
 * times features), length, state size and the device's limits.
 */
import type { GpuLimits } from "../../device/device.ts";
import { QUAD } from "./chunk_carry.ts";
import { powerOfTwoAtLeast } from "./plan.ts";
import type { Sizes } from "./selective_scan_backward.ts";

/** How the work of a walk over the steps is laid out over invocations. */
export interface ScanForm {
  /** Neighbouring features of an invocation: 1 or 2. */
  readonly features: number;
  /** Invocations that share the states of a feature: 1, 2, 4 or 8. */
  readonly parts: number;
  /** Rows of features in a workgroup, a power of two. */
  readonly lanes: number;
  /** Steps that are staged at once, a multiple of `parts`. */
  readonly tile: number;
}

/** The form of the way back. */
export interface FlowForm extends ScanForm {
  /** Rows of features that a subgroup adds up before they meet in workgroup memory: 1 to 8. */
  readonly team: number;
}

/** The forms of a scan's passes, and the steps of a chunk: all of them where there is but one. */
export interface ScanForms<Form extends ScanForm> {
  /** The walk over the chunks before their true starts are known. */
  readonly before: ScanForm;
  readonly apply: Form;
  readonly chunk: number;
}

const PARTS_MAX = 8;
/** Quads of states of an invocation at most, and how many it has where parts can be had. */
const QUADS_MAX = 8;
const QUADS_WISHED = 4;
/** Floats of a tile's rows of B: a longer state has shorter tiles. */
const STAGED_MAX = 1024;
/** Invocations of a workgroup. */
const INVOCATIONS_MAX = 256;
const TEAM_MAX = 8;
/** Buffers that the last passes bind. */
const FORWARD_BUFFERS = 12;
const BACKWARD_BUFFERS = 22;

/** The largest power of two up to `most` that divides `count`. */
function powerWithin(count: number, most: number): number {
  let power = 1;
  while (2 * power <= most && count % (2 * power) === 0) power *= 2;
  return power;
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}

/** Whether states come by the quad, B and C by the step, and the device has what the passes use. */
function isTiled(sizes: Sizes, limits: GpuLimits, buffers: number): boolean {
  const { parts, state, groupB, groupC } = sizes;
  if (parts > 1 || groupB === 0 || groupC === 0 || state === 0 || state % QUAD > 0) return false;
  const quads = state / QUAD;
  return quads / powerWithin(quads, PARTS_MAX) <= QUADS_MAX &&
    limits.subgroupSize >= PARTS_MAX && limits.storageBuffersMax >= buffers;
}

/**
 * A wished form, as close as the sizes allow: a workgroup stays inside a group of B and of C, and
 * an invocation has two features only with so many quads of states of each.
 */
function fitted(wish: ScanForm, sizes: Sizes, quadsOfTwo: number): ScanForm {
  const { feature, state, groupB, groupC } = sizes;
  const quads = state / QUAD;
  const most = powerWithin(quads, PARTS_MAX);
  let parts = Math.min(wish.parts, most);
  while (parts < most && quads / parts > QUADS_WISHED) parts *= 2;
  // With one group the last workgroup may reach past the features, with more none may straddle.
  const ofGroup = commonDivisor(feature / groupB, feature / groupC);
  const isTwo = quads / parts <= quadsOfTwo && ofGroup % 2 === 0;
  const features = isTwo ? wish.features : 1;
  const rows = Math.ceil(ofGroup / features);
  const lanes = ofGroup === feature
    ? Math.min(wish.lanes, powerOfTwoAtLeast(rows))
    : powerWithin(rows, wish.lanes);
  let tile = wish.tile;
  while (tile * state > STAGED_MAX && tile > parts) tile /= 2;
  tile = Math.max(tile, parts);
  return { features, parts, lanes: Math.min(lanes, INVOCATIONS_MAX / parts), tile };
}

/** Rows from which on the whole length is walked without chunks. */
const ROWS_SEQUENTIAL = 8192;
const CHUNK_MIN = 32;
const CHUNK_MAX = 512;

/** Steps of a chunk: the longest with which there are so many rows times chunks. */
function chunkOf({ batch, feature, length }: Sizes, rowsWished: number): number {
  const rows = batch * feature;
  if (rows >= ROWS_SEQUENTIAL || length <= CHUNK_MIN) return Math.max(1, length);
  let chunk = CHUNK_MIN;
  while (chunk < CHUNK_MAX && rows * length >= 2 * chunk * rowsWished) chunk *= 2;
  return chunk;
}

/** From so many states on they are split over as many invocations as can be. */
const DEEP_FROM = 32;

/**
 * Forms by the rows times chunks that walk side by side. With few a GPU idles for the most part,
 * and short programs count; with many an invocation has all states of a feature.
 *
 * Measured on one H100 (timestamp queries, 16 states, ms, [features parts lanes tile]):
 *
 *   131k rows (64,2048,512)   [1 1 32 8] 0.454   [1 1 128 8] 0.459   [1 2 32 8] 0.501
 *                             [1 1 32 16] 0.514  [2 1 32 4] 0.563    [4 4 8 8] 0.549
 *   16k rows (8,2048,2048)    [1 2 32 16] 0.322  [2 4 16 16] 0.320   [1 4 32 16] 0.343
 *                             [1 2 32 8] 0.421   [1 1 32 16] 0.41 (prototype)
 *   128 states, 16k rows      [2 8 16 8] 3.16    [1 8 16 8] 4.76     [1 4 32 8] 5.60
 */
export const SCAN_FORMS = {
  few: { features: 2, parts: 4, lanes: 8, tile: 8 },
  middling: { features: 1, parts: 2, lanes: 32, tile: 16 },
  many: { features: 1, parts: 1, lanes: 32, tile: 8 },
  deep: { features: 2, parts: 8, lanes: 16, tile: 8 },
} satisfies Record<string, ScanForm>;
const ROWS_MIDDLING = 4096;
const ROWS_MANY = 65_536;
/**
 * Rows times chunks that a scan is cut into; ms by steps of a chunk: 1,2048,16384: 256 0.431, 512
 * 0.454; 1,256,65536: 128 0.240, 256 0.246, 512 0.306; 8,256,2048: 64 0.088, 128 0.096, 256 0.130.
 */
const ROWS_OF_CHUNKS = 131_072;

function scanFormOf(rows: number, state: number): ScanForm {
  if (state >= DEEP_FROM) return SCAN_FORMS.deep;
  if (rows >= ROWS_MANY) return SCAN_FORMS.many;
  return rows >= ROWS_MIDDLING ? SCAN_FORMS.middling : SCAN_FORMS.few;
}

/** The forms of a scan; undefined where only the general one runs. */
export function forwardForms(sizes: Sizes, limits: GpuLimits): ScanForms<ScanForm> | undefined {
  if (!isTiled(sizes, limits, FORWARD_BUFFERS)) return undefined;
  const chunk = chunkOf(sizes, ROWS_OF_CHUNKS);
  const rows = sizes.batch * sizes.feature * Math.ceil(sizes.length / chunk);
  const form = fitted(scanFormOf(rows, sizes.state), sizes, QUADS_WISHED);
  return { before: form, apply: form, chunk };
}

/**
 * Forms of the way back: of the walk that keeps states (with chunks it finds the gradient's flow,
 * too) and of the one that finds the gradients. Measured as above at 8,2048,2048: to keep states
 * [1 4 32 16] 0.275, [2 4 32 8] 0.381, with the flow [2 4 32 8] 0.324, [1 4 32 16] 0.392; the
 * gradients [2 4 32 8] 0.798, [2 4 64 8] 0.99, [1 4 32 8] 0.99, with tiles of 4 steps 1.15, with
 * the states of half a tile in registers and walked twice 0.92.
 */
export const FLOW_FORMS = {
  keep: { features: 1, parts: 4, lanes: 32, tile: 16 },
  keepChunks: { features: 2, parts: 4, lanes: 32, tile: 8 },
  apply: { features: 2, parts: 4, lanes: 32, tile: 8 },
  few: { features: 2, parts: 4, lanes: 8, tile: 4 },
  deep: { features: 2, parts: 8, lanes: 16, tile: 8 },
} satisfies Record<string, ScanForm>;
/** Rows times chunks that a way back is cut into: its chunks cost more. */
const ROWS_OF_FLOWS = 65_536;
/** Quads of an invocation's features: a tile of their states and decays is in registers. */
const FLOW_QUADS_MAX = 2;
/** Workgroup memory with which several workgroups share a processor. */
const FLOW_BYTES = 12_288;

/** Bytes of workgroup memory of the pass that finds the gradients. */
function flowBytes({ features, lanes, tile, team }: FlowForm, state: number): number {
  const steps = 3 * features * lanes;
  const shares = 2 * state * lanes / team;
  return 4 * tile * (steps + 2 * state + shares);
}

function flowFormsOf(rows: number, chunks: number, state: number) {
  const { keep, keepChunks, apply, few, deep } = FLOW_FORMS;
  if (state >= DEEP_FROM) return { before: deep, apply: deep };
  if (rows < ROWS_MIDDLING) return { before: few, apply: few };
  return { before: chunks > 1 ? keepChunks : keep, apply };
}

/** The forms of the way back; undefined where only the general one runs. */
export function backwardForms(sizes: Sizes, limits: GpuLimits): ScanForms<FlowForm> | undefined {
  if (!isTiled(sizes, limits, BACKWARD_BUFFERS)) return undefined;
  const { batch, length, feature, state } = sizes;
  const chunk = chunkOf(sizes, ROWS_OF_FLOWS);
  const chunks = Math.ceil(length / chunk);
  const wish = flowFormsOf(batch * feature * chunks, chunks, state);
  const apply = fitted(wish.apply, sizes, 1);
  const teamOf = (lanes: number) => Math.min(TEAM_MAX, lanes, limits.subgroupSize / apply.parts);
  let form: FlowForm = { ...apply, team: teamOf(apply.lanes) };
  while (flowBytes(form, state) > FLOW_BYTES && form.lanes > 1) {
    const lanes = form.lanes / 2;
    form = { ...form, lanes, team: teamOf(lanes) };
  }
  const before = fitted(wish.before, sizes, 1);
  // States are kept at the starts of the tiles in which the gradients are found.
  const tile = Math.max(before.tile, form.tile);
  const keptFloats = batch * chunks * Math.ceil(chunk / form.tile) * feature * state;
  const fits = flowBytes(form, state) <= limits.workgroupBytesMax &&
    4 * keptFloats <= limits.bindingBytesMax &&
    form.features * state / QUAD / form.parts <= FLOW_QUADS_MAX;
  return fits ? { before: { ...before, tile }, apply: form, chunk } : undefined;
}

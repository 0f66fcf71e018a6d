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
/** Quads of states that an invocation holds at most, and with two features. */
const QUADS_MAX = 8;
const QUADS_OF_TWO_MAX = 2;
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

/** A wished form, as close as the sizes allow: a workgroup stays inside a group of B and of C. */
function fitted(wish: ScanForm, sizes: Sizes): ScanForm {
  const { feature, state, groupB, groupC } = sizes;
  const quads = state / QUAD;
  const most = powerWithin(quads, PARTS_MAX);
  let parts = Math.min(wish.parts, most);
  while (parts < most && quads / parts > 2 * QUADS_OF_TWO_MAX) parts *= 2;
  // With one group the last workgroup may reach past the features, with more none may straddle.
  const ofGroup = commonDivisor(feature / groupB, feature / groupC);
  const isTwo = quads / parts <= QUADS_OF_TWO_MAX && ofGroup % 2 === 0;
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
/** Rows times chunks that fill a GPU where an invocation has all states of a feature. */
const ROWS_MANY = 65_536;
const CHUNK_MIN = 32;
const CHUNK_MAX = 512;

/** Steps of a chunk: the longest with which the chunks fill a GPU. */
function chunkOf({ batch, feature, length }: Sizes): number {
  const rows = batch * feature;
  if (rows >= ROWS_SEQUENTIAL || length <= CHUNK_MIN) return Math.max(1, length);
  let chunk = CHUNK_MIN;
  while (chunk < CHUNK_MAX && rows * length >= 2 * chunk * ROWS_MANY) chunk *= 2;
  return chunk;
}

/** Rows times chunks below which a GPU is idle for the most part, and short programs count. */
const ROWS_FEW = 4096;

/** Forms by the rows times chunks that walk side by side. */
export const SCAN_FORMS = {
  few: { features: 2, parts: 4, lanes: 8, tile: 8 },
  middling: { features: 1, parts: 2, lanes: 32, tile: 16 },
  many: { features: 1, parts: 1, lanes: 32, tile: 8 },
} satisfies Record<string, ScanForm>;

function scanFormOf(rows: number): ScanForm {
  if (rows >= ROWS_MANY) return SCAN_FORMS.many;
  return rows >= ROWS_FEW ? SCAN_FORMS.middling : SCAN_FORMS.few;
}

/** The forms of a scan; undefined where only the general one runs. */
export function forwardForms(sizes: Sizes, limits: GpuLimits): ScanForms<ScanForm> | undefined {
  if (!isTiled(sizes, limits, FORWARD_BUFFERS)) return undefined;
  const chunk = chunkOf(sizes);
  const rows = sizes.batch * sizes.feature * Math.ceil(sizes.length / chunk);
  const form = fitted(scanFormOf(rows), sizes);
  return { before: form, apply: form, chunk };
}

/** Forms of the way back: of the walk that keeps states, and of the one that finds gradients. */
export const FLOW_FORMS = {
  short: {
    before: { features: 2, parts: 4, lanes: 32, tile: 8 },
    apply: { features: 2, parts: 4, lanes: 32, tile: 8 },
  },
  long: {
    before: { features: 2, parts: 4, lanes: 32, tile: 8 },
    apply: { features: 2, parts: 8, lanes: 32, tile: 8 },
  },
} satisfies Record<string, { before: ScanForm; apply: ScanForm }>;
/** States from which on the longer form is taken. */
const LONG_FROM = 33;

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

/** The forms of the way back; undefined where only the general one runs. */
export function backwardForms(sizes: Sizes, limits: GpuLimits): ScanForms<FlowForm> | undefined {
  if (!isTiled(sizes, limits, BACKWARD_BUFFERS)) return undefined;
  const { batch, length, feature, state } = sizes;
  const wish = state >= LONG_FROM ? FLOW_FORMS.long : FLOW_FORMS.short;
  const apply = fitted(wish.apply, sizes);
  // The states are kept at the starts of the tiles that the gradients are found in.
  const before = { ...fitted(wish.before, sizes), tile: apply.tile };
  const teamOf = (lanes: number) => Math.min(TEAM_MAX, lanes, limits.subgroupSize / apply.parts);
  let form: FlowForm = { ...apply, team: teamOf(apply.lanes) };
  while (flowBytes(form, state) > FLOW_BYTES && form.lanes > 1) {
    const lanes = form.lanes / 2;
    form = { ...form, lanes, team: teamOf(lanes) };
  }
  const chunk = chunkOf(sizes);
  const keptFloats = batch * Math.ceil(length / chunk) * Math.ceil(chunk / form.tile) * feature *
    state;
  const fits = flowBytes(form, state) <= limits.workgroupBytesMax &&
    4 * keptFloats <= limits.bindingBytesMax &&
    form.features * state / QUAD / form.parts <= FLOW_QUADS_MAX;
  return fits ? { before, apply: form, chunk } : undefined;
}

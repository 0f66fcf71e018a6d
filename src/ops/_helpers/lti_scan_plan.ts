/** Passes of `shaders/shared/lti_scan.wgsl`: diagonal scans whose systems stay the same. */
import type { GpuLimits } from "../../device/device.ts";
import type { LaunchPlan, Pass } from "../op.ts";
import { groupsFor, powerOfTwoAtLeast } from "./plan.ts";

/** Which tensors of a plan play which part in the scan; equations in the shader. */
export interface LtiTensors {
  readonly u: string;
  readonly A: string;
  readonly B: string;
  readonly C: string;
  readonly D?: string | undefined;
  readonly x0?: string | undefined;
  readonly y: string;
  readonly state: string;
  /** Scratch: the states at the chunks' starts. */
  readonly ends: string;
}

/** Sizes of the scan and its direction. */
export interface LtiSizes {
  readonly batch: number;
  readonly length: number;
  readonly feature: number;
  readonly states: number;
  /** Of y: 2 where one of each conjugate pair is stored. */
  readonly scale: number;
  /** From the last sample to the first, with conjugate states: the way back. */
  readonly adjoint?: boolean;
}

/**
 * Invocations of a workgroup: few, since all of one wait for each other at every tile. On an H100
 * 8 features by 8 parts take 0.205 ms where 32 by 8 take 0.270 (8 rows of 4,096 samples, 512
 * features, 32 states).
 */
const INVOCATIONS = 64;
/** Invocations that share the states of a feature; more than 8 for very large banks. */
const PARTS = 8;
const PARTS_LARGE = 16;
/** States of an invocation beyond which its coefficients no longer fit into registers. */
const STATES_PER_PART_MAX = 16;
/** States of an invocation that shares a smaller bank. */
const STATES_PER_PART = 4;
/** Features of a workgroup at least: 32 bytes, the smallest piece that memory moves. */
const FEATURES_MIN = 8;
/** Steps of u that are staged at once, and those that one invocation loads of them, at most. */
const PAGE_MAX = 64;
const PAGE_ROWS_MAX = 16;
/** Invocations of a workgroup that carries states over chunks. */
export const CARRY_GROUP = 64;
/** Chunks whose ends it loads together. */
export const CARRY_AHEAD = 8;
/** Steps between two meetings of the parts; 16 gain 4 % and double the text to be compiled. */
const TILE = 8;
const FLOAT_BYTES = 4;

/** Invocations from which on rows alone fill a GPU and chunks only cost work. */
const ALONE_MIN = 24_576;
/**
 * Invocations beyond which more chunks add only work. On an H100 one row of 16,384 samples takes
 * 0.18 ms in chunks of 512 (twice this), 0.16 in chunks of 1,024 and 0.17 in chunks of 2,048.
 */
const ENOUGH = 65_536;
const CHUNK_MIN = 32;
/** Where a chunk's first loads and coefficients have become a small share of its time. */
const CHUNK_MAX = 1024;

/**
 * How a bank is spread over a workgroup. A block of T steps keeps 4T + 2 numbers of each state in
 * registers, of which an invocation has about 200 to give.
 */
export function ltiGeometry(sizes: LtiSizes, limits: GpuLimits, invocations = INVOCATIONS) {
  const { feature, states } = sizes;
  const large = states > PARTS * STATES_PER_PART_MAX;
  const parts = large
    ? PARTS_LARGE
    : Math.min(PARTS, powerOfTwoAtLeast(Math.ceil(states / STATES_PER_PART)));
  const perPart = Math.max(1, Math.ceil(states / parts));
  const block = perPart <= 4 ? 8 : perPart <= 8 ? 4 : 2;
  const tile = Math.max(TILE, parts, block);
  const page = Math.max(tile, Math.min(PAGE_MAX, PAGE_ROWS_MAX * parts));
  let features = Math.max(FEATURES_MIN, invocations / parts);
  // Of the scan, or of the sums of gradients, which stage two inputs.
  const rowsWith = (buffers: number) => page + Math.max(page, buffers * parts * tile);
  const bytesWith = (buffers: number) => FLOAT_BYTES * features * rowsWith(buffers);
  while (features >= 2 * FEATURES_MIN && features >= 2 * feature) features /= 2;
  while (features > 1 && bytesWith(1) > limits.workgroupBytesMax) features /= 2;
  return {
    FEATURES: features,
    PARTS: parts,
    STATES_PER_PART: perPart,
    BLOCK: block,
    SPAN: Math.max(parts, block),
    TILE: tile,
    PAGE: page,
    BUFFERS: bytesWith(2) <= limits.workgroupBytesMax ? 2 : 1,
  };
}

/**
 * Steps of a chunk: a power of two of whole tiles, or the whole length.
 *
 * @param invocations  of all rows, in one chunk
 */
export function ltiChunkOf(length: number, invocations: number): number {
  if (invocations >= ALONE_MIN) return Math.max(1, length);
  let chunk = CHUNK_MIN;
  const isSmall = () => chunk * chunk < length || invocations * length > ENOUGH * chunk;
  while (chunk < CHUNK_MAX && isSmall()) chunk *= 2;
  return chunk;
}

/** The passes of the scan. */
export function ltiScanPlan(
  sizes: LtiSizes,
  tensors: LtiTensors,
  limits: GpuLimits,
): Pick<LaunchPlan, "scratch" | "passes"> {
  const { batch, length, feature, states, scale } = sizes;
  const geometry = ltiGeometry(sizes, limits);
  const tiles = groupsFor(feature, geometry.FEATURES);
  const chunk = ltiChunkOf(length, batch * feature * geometry.PARTS);
  const chunks = Math.max(1, groupsFor(length, chunk));
  const several = chunks > 1;
  const rest = length % geometry.TILE;
  const constants = {
    ...geometry,
    ADJOINT: sizes.adjoint ? 1 : 0,
    CHUNKED: several ? 1 : 0,
    CARRY_GROUP,
    CARRY_AHEAD,
    HAS_D: tensors.D ? 1 : 0,
    HAS_X0: tensors.x0 ? 1 : 0,
    FROM_START: 0,
  };
  const fromStart = length > 0 && length < geometry.TILE;
  const pass = (
    entry: string,
    names: readonly (keyof LtiTensors)[],
    workgroups: Pass["workgroups"],
    own: Readonly<Record<string, number>> = {},
  ): Pass => ({
    shader: "shared/lti_scan",
    entry,
    constants: { ...constants, ...own },
    dims: { batch, length, feature, states, chunk, chunks, scale },
    bindings: names.filter((name) => tensors[name]).map((name) => `${name}=${tensors[name]}`),
    workgroups,
  });
  const passes: Pass[] = [];
  if (several) {
    passes.push(
      pass("reduce_chunks", ["u", "A", "B", "ends"], [tiles, chunks - 1, batch], {
        // Of no meaning here: one program for all.
        ...{ HAS_D: 0, HAS_X0: 0, BUFFERS: 1 },
      }),
      pass("carry_chunks", ["A", "x0", "ends"], [
        groupsFor(feature * states, CARRY_GROUP),
        batch,
        1,
      ]),
    );
  }
  const names = ["u", "A", "B", "C", "D", "x0", "y", "state"] as const;
  if (!fromStart) {
    passes.push(
      pass("apply_chunks", several ? [...names, "ends"] : names, [tiles, chunks, batch]),
    );
  }
  if (rest > 0) {
    const own = { CHUNKED: 0, FROM_START: fromStart ? 1 : 0 };
    passes.push(pass("apply_rest", names, [tiles, 1, batch], own));
  }
  const ends = batch * (chunks - 1) * feature * states * 2;
  return { scratch: several ? { [tensors.ends]: ends } : {}, passes };
}

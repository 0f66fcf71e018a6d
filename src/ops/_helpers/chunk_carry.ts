/** The pass of `shared/chunk_carry`: real diagonal states from chunk to chunk. */
import type { Pass } from "../op.ts";
import { groupsFor } from "./plan.ts";

/** Numbers of a vec4f. */
export const QUAD = 4;
/** Invocations of a workgroup, and the runs of chunks that they split where there are many. */
const LANES = 16;
const SEGMENTS = 16;
/** From so many chunks on, runs of them go side by side. */
const SEGMENTED_FROM = 24;
/** Loads under way at once. */
const AHEAD = 8;

/** What {@linkcode chunkCarry} carries. */
export interface ChunkCarry {
  /** Ends of the chunks from zero; become states before. [batch, chunks, feature, state] */
  readonly ends: string;
  /** Sums of dt over the chunks.                                [batch, chunks, feature] */
  readonly spans: string;
  /** State before the first chunk (after the last, reversed); zero where absent. */
  readonly initial?: string | undefined;
  /** From the last chunk to the first. */
  readonly reversed?: boolean;
  readonly batch: number;
  readonly chunks: number;
  readonly feature: number;
  readonly state: number;
}

/** The pass that replaces the end of each chunk by the state before it; four divides `state`. */
export function chunkCarry(carry: ChunkCarry): Pass {
  const { ends, spans, initial, reversed, batch, chunks, feature, state } = carry;
  const quads = feature * state / QUAD;
  return {
    shader: "shared/chunk_carry",
    entry: "carry_chunks",
    constants: {
      LANES,
      SEGMENTS: chunks >= SEGMENTED_FROM ? SEGMENTS : 1,
      AHEAD,
      HAS_INITIAL: initial === undefined ? 0 : 1,
      REVERSED: reversed ? 1 : 0,
    },
    dims: { quads, width: state / QUAD, chunks },
    bindings: [
      "A",
      ...(initial === undefined ? [] : [`initial=${initial}`]),
      `ends=${ends}`,
      `spans=${spans}`,
    ],
    workgroups: [groupsFor(quads, LANES), batch, 1],
  };
}

/** The geometry that the passes of `attention` and of its backward share on a GPU. */
import { rotaryTable } from "../../ssm/rotary.ts";
import type { LaunchPlan } from "../op.ts";
import { groupsFor, POINTWISE_GROUP } from "./plan.ts";

/** Queries, or keys, of a tile. */
export const ATTENTION_TILE = 32;
/** Columns that an invocation's neighbours take, side by side in memory. */
const LANES = 16;
/** Rows of an invocation: those of a vec4. */
const ROWS = 4;
/** Tiles of features that a workgroup holds; more of them take more workgroups. */
const BLOCKS_MAX = 2;

/** What the backward and the op read of the parameters. */
export interface TileParams {
  readonly window: number;
  readonly scale?: number;
  readonly rotaryBase?: number;
}

/** Constants, tables and counts for heads of so many features. */
export function attentionTiles(size: number, { window, scale, rotaryBase }: TileParams) {
  const blocks = Math.min(BLOCKS_MAX, groupsFor(size, ATTENTION_TILE));
  // Angles within a tile's frame reach two tiles beyond the window.
  const distances = window + 2 * ATTENTION_TILE;
  const tables: Pick<LaunchPlan, "tables"> = rotaryBase === undefined ? {} : {
    tables: {
      turns: {
        key: `attention/${distances}/${size}/${rotaryBase}`,
        make: () => new Float32Array(rotaryTable(distances, size, rotaryBase)),
      },
    },
  };
  return {
    constants: {
      GROUP: ATTENTION_TILE / ROWS * LANES,
      TILE: ATTENTION_TILE,
      LANES,
      ROW_GROUPS: ATTENTION_TILE / ROWS,
      COPY_GROUP: POINTWISE_GROUP,
      SIZE: size,
      BLOCKS: blocks,
      ROTARY: rotaryBase === undefined ? 0 : 1,
    },
    /** Workgroups of a tile, each with its own features of the result. */
    parts: groupsFor(size, blocks * ATTENTION_TILE),
    scale: scale ?? 1 / Math.sqrt(size),
    tables,
    /** The binding of the table of turns. */
    turns: rotaryBase === undefined ? [] : ["turns"],
  };
}

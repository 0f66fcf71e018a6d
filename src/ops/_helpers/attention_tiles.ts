/** The geometry that the passes of `attention` and of its backward share on a GPU. */
import { rotaryTable } from "../../ssm/rotary.ts";
import type { LaunchPlan } from "../op.ts";
import type { Sizes } from "./attention_rows.ts";
import { groupsFor, POINTWISE_GROUP } from "./plan.ts";

/** Queries, or keys, that a workgroup holds: so many invocations it has. */
const ROWS = 64;
/** Terms of a product that are staged at once; a half of the columns that a walk weighs. */
const STEPS = 16;

/** What the backward and the op read of the parameters. */
export interface TileParams {
  readonly window: number;
  readonly scale?: number;
  readonly rotaryBase?: number;
}

/** Constants that copies of keys and values do not read: one program serves more calls. */
export const UNREAD_BY_COPIES = { VECTORS: 1, WHOLE: 0, ROTARY: 0 };

/** Constants, sizes, tables and counts of tiles for one call. */
export function attentionTiles(
  { batch, length, head, group, size, past }: Sizes,
  { window, scale, rotaryBase }: TileParams,
  isCarried: boolean,
) {
  const vectors = size > 32 ? 2 : 1;
  const columns = 32 * vectors;
  const isAligned = size % 4 === 0;
  // Angles within a tile's frame reach two tiles beyond the window.
  const distances = window + 2 * ROWS;
  const tables: Pick<LaunchPlan, "tables"> = rotaryBase === undefined ? {} : {
    tables: {
      turns: {
        key: `attention/${distances}/${size}/${rotaryBase}`,
        make: () => new Float32Array(rotaryTable(distances, size, rotaryBase)),
      },
    },
  };
  /** Workgroups for a head's features, each with its own part of the result. */
  const parts = groupsFor(size, columns);
  const tilesOf = (count: number) => groupsFor(count, ROWS);
  return {
    constants: {
      ROWS,
      VECTORS: vectors,
      STEPS,
      PAD: 1,
      COPY_GROUP: POINTWISE_GROUP,
      ALIGNED: isAligned ? 1 : 0,
      WHOLE: !isCarried && length % ROWS === 0 && size % columns === 0 ? 1 : 0,
      ROTARY: rotaryBase === undefined ? 0 : 1,
      HAS_PAST: isCarried ? 1 : 0,
    },
    dims: {
      ...{ batch, length, head, group, size, past, parts },
      row: isAligned ? size / 4 : size,
      fours: groupsFor(size, 4),
      scale: scale ?? 1 / Math.sqrt(size),
    },
    parts,
    tilesOf,
    queryTiles: tilesOf(length),
    tables,
    /** The binding of the table of turns. */
    turns: rotaryBase === undefined ? [] : ["turns"],
  };
}

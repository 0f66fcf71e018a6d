/** Passes of `shaders/matmul.wgsl`: which tile a product takes, where its inner axis is split. */
import type { GpuLimits } from "../../device/device.ts";
import type { LaunchPlan, Pass } from "../op.ts";
import { groupsFor } from "./plan.ts";
import { type Cut, cutOf, type Product, type Tile } from "./matmul_tiles.ts";
import { columnSums, joinPlans } from "./reduce.ts";

/** Names of the tensors of a product; of what is absent there is none. */
export interface ProductNames {
  readonly a: string;
  readonly b: string;
  readonly bias?: string | undefined;
  /** The gradient of act(a·b + bias): the output is then that of a·b + bias. */
  readonly gradC?: string | undefined;
  /** Receives the product. */
  readonly target: string;
}

/** What else a product is told. */
export interface How {
  /** Code of the activation that is applied to the sums; 0, the default, is the identity. */
  readonly kind?: number;
  /** Tile and parts, in place of those that the sizes choose: for tests and measurements. */
  readonly cut?: Cut;
}

const VECTOR_BYTES = 16;

/**
 * Vectors of padding after each step's row of an operand's tile: one for operands that are turned,
 * as far as workgroup memory has room for it.
 */
function paddingOf({ transposeA, transposeB }: Product, tile: Tile, limits: GpuLimits) {
  const turned = (transposeA ? 0 : 1) + (transposeB ? 1 : 0);
  const vectors = (tile.ROWS + tile.COLUMNS) / 4 + turned;
  const hasRoom = vectors * tile.STEPS * VECTOR_BYTES <= limits.workgroupBytesMax;
  return { PAD_A: hasRoom && !transposeA ? 1 : 0, PAD_B: hasRoom && transposeB ? 1 : 0 };
}

/**
 * The passes of one product. Few outputs with a long inner axis (the gradient of a weight: as long
 * as batch times length) take parts of it in parallel, whose sums are added in a fixed order;
 * where more is done to a sum than adding the bias, it is taken whole.
 */
export function multiplyPlan(
  product: Product,
  names: ProductNames,
  { kind = 0, cut }: How,
  limits: GpuLimits,
): Pick<LaunchPlan, "scratch" | "passes"> {
  const { pairs, m, n, k, transposeA, transposeB } = product;
  const { a, b, bias, gradC, target } = names;
  const isWhole = gradC !== undefined || kind !== 0;
  const { tile, parts, kOfPart } = cut ?? cutOf(product, isWhole, limits);
  const invocations = tile.ROWS / tile.BLOCK_ROWS * (tile.COLUMNS / tile.BLOCK_COLUMNS);
  const groups = [groupsFor(n, tile.COLUMNS), groupsFor(m, tile.ROWS)] as const;
  const scratch = `${target}OfParts`;
  const named = Object.entries({ a, b, bias, gradC });
  const pass: Pass = {
    shader: "matmul",
    entry: "multiply",
    constants: {
      ...tile,
      ...paddingOf(product, tile, limits),
      INVOCATIONS: invocations,
      LOADS_A: groupsFor(tile.ROWS * tile.STEPS / 4, invocations),
      LOADS_B: groupsFor(tile.COLUMNS * tile.STEPS / 4, invocations),
      TRANSPOSE_A: transposeA ? 1 : 0,
      TRANSPOSE_B: transposeB ? 1 : 0,
      WIDE_A: transposeA && m % 4 === 0 ? 1 : 0,
      WIDE_B: !transposeB && n % 4 === 0 ? 1 : 0,
      WIDE_C: n % 4 === 0 ? 1 : 0,
      EVEN: k % tile.STEPS === 0 ? 1 : 0,
      HAS_BIAS: bias === undefined ? 0 : 1,
      SLOPE: gradC === undefined ? 0 : 1,
      KIND: kind,
    },
    dims: { m, n, k, kOfPart, pairs },
    bindings: [
      ...named.flatMap(([variable, name]) => name === undefined ? [] : [`${variable}=${name}`]),
      `c=${parts > 1 ? scratch : target}`,
    ],
    workgroups: [...groups, pairs * parts],
  };
  if (parts === 1) return { scratch: {}, passes: [pass] };
  const columns = pairs * m * n;
  return joinPlans(
    { scratch: { [scratch]: parts * columns }, passes: [pass] },
    columnSums({ target, left: scratch, rows: parts, columns }),
  );
}

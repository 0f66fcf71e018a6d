/** What the device at hand can do at most, measured, and the floors that follow from it. */
import type { Launch } from "../src/device/device.ts";
import { openScope, type WebGpuDevice } from "../src/device/mod.ts";
import type { Cost } from "./costs.ts";
import { SPIN_UP_MS, type SpinUp, timeLaunches } from "./timing.ts";

/** Rates per millisecond. */
export interface Ceilings {
  /** Bytes read and written by a copy. */
  readonly bytes: number;
  /** f32 instructions, of which a fused multiply-add is one. */
  readonly instructions: number;
  /** Special functions (exp2). */
  readonly special: number;
}

const GROUP = 256;
const ACCUMULATORS = 8;
const BLOCK = 16;
const TURNS = 50;
const GROUPS = 132 * 16;
const COPY_VECTORS = 1 << 25;
const SOFTWARE = { turns: 4, groups: 64, vectors: 1 << 19 };
const GROUPS_PER_ROW = 32_768;

/** The ceilings and the work that raises the clock before each measurement. */
export async function measureCeilings(
  gpu: WebGpuDevice,
): Promise<{ ceilings: Ceilings; spin: SpinUp | undefined }> {
  const { software } = gpu.info;
  const turns = software ? SOFTWARE.turns : TURNS;
  const groups = software ? SOFTWARE.groups : GROUPS;
  const vectors = software ? SOFTWARE.vectors : COPY_VECTORS;
  const scope = openScope(gpu);
  const invocations = groups * GROUP;
  const sums = gpu.alloc([invocations], "f32");
  const chains = (entry: string): Launch => ({
    shader: "bench/ceilings",
    entry,
    constants: { GROUP, ACCUMULATORS, BLOCK },
    dims: { count: invocations, turns },
    bindings: { sums: { buffer: sums.buffer, bytes: 4 * invocations } },
    workgroups: [groups, 1, 1],
  });
  const fused = [chains("fused")];
  let spin: SpinUp | undefined;
  if (!software) {
    const [ms = 1] = await gpu.time(fused, 1);
    spin = { launches: fused, repeats: Math.ceil(SPIN_UP_MS / ms) };
  }
  const words = scope.alloc([4 * vectors], "f32");
  const copied = scope.alloc([4 * vectors], "f32");
  const copyGroups = vectors / GROUP;
  const copy: Launch = {
    shader: "bench/ceilings",
    entry: "copy",
    constants: { GROUP, ACCUMULATORS, BLOCK },
    dims: { count: vectors, turns: 0 },
    bindings: {
      words: { buffer: words.buffer, bytes: 16 * vectors },
      copied: { buffer: copied.buffer, bytes: 16 * vectors },
    },
    workgroups: [
      Math.min(copyGroups, GROUPS_PER_ROW),
      Math.ceil(copyGroups / GROUPS_PER_ROW),
      1,
    ],
  };
  const operations = invocations * turns * BLOCK * ACCUMULATORS;
  const timed = (launches: readonly Launch[]) => timeLaunches(gpu, launches, spin);
  const ceilings = {
    bytes: 32 * vectors / (await timed([copy])).ms,
    instructions: operations / (await timed(fused)).ms,
    special: operations / (await timed([chains("powers")])).ms,
  };
  scope.release();
  return { ceilings, spin };
}

/** What binds a computation. */
export type Bound = "bytes" | "f32" | "special";

/** The least time that a cost takes, and which ceiling says so. */
export function floorOf(cost: Cost, ceilings: Ceilings): { ms: number; bound: Bound } {
  const floors: readonly (readonly [Bound, number])[] = [
    ["bytes", cost.bytes / ceilings.bytes],
    ["f32", (cost.fused + cost.single) / ceilings.instructions],
    ["special", cost.special / ceilings.special],
  ];
  const [bound, ms] = floors.reduce((most, floor) => floor[1] > most[1] ? floor : most);
  return { ms, bound };
}

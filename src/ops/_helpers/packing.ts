/**
 * Launches of more tensors than a device binds buffers: some of the tensors are copied into one
 * buffer before, and those that the launch writes are copied out of it after. The one place that
 * decides by `storageBuffersMax`; where a device binds enough, a launch stays as it is.
 */
import { LimitError } from "../../base/errors.ts";
import type { Binding, GpuDevice, Launch } from "../../device/device.ts";
import { offsetName } from "../../device/packing.ts";
import { storageOf } from "../../device/pipelines.ts";
import { DTYPE_BYTES } from "../../tensor/tensor.ts";
import { groupsFor, POINTWISE_GROUP, spreadGroups } from "./plan.ts";

/** Words of an element. */
const WORDS: Readonly<Record<string, number>> = { f32: 1, u32: 1, vec2f: 2, vec4f: 4 };

/** A tensor of a launch. */
interface Member {
  readonly variable: string;
  readonly words: number;
  readonly element: string;
  readonly writable: boolean;
}

/** Words of the tensors that would be copied. */
function wordsOf(members: readonly Member[]): number {
  return members.reduce((sum, { words }) => sum + words, 0);
}

/**
 * Which tensors share a buffer: as few words as one kind of element and access allows, where one
 * kind is enough, else kind after kind from the one that saves most. What is only read stays apart
 * from what is written, since control flow round a barrier may depend on the former alone.
 */
function packsOf(launch: Launch, members: readonly Member[], most: number): Member[][] {
  const kinds = new Map<string, Member[]>();
  for (const member of [...members].sort((a, b) => a.words - b.words)) {
    const kind = `${member.element} ${member.writable}`;
    kinds.set(kind, [...kinds.get(kind) ?? [], member]);
  }
  const packs: Member[][] = [];
  let excess = members.length - most;
  while (excess > 0) {
    const [best] = [...kinds]
      .map(([kind, all]) => ({ kind, pack: all.slice(0, excess + 1) }))
      .filter(({ pack }) => pack.length > 1)
      .sort((a, b) => b.pack.length - a.pack.length || wordsOf(a.pack) - wordsOf(b.pack));
    if (best === undefined) {
      throw new LimitError("storageBuffersMax", most, most + excess, launch.entry);
    }
    packs.push(best.pack);
    kinds.delete(best.kind);
    excess -= best.pack.length - 1;
  }
  return packs;
}

/** A copy of `count` words of one buffer into another, from and to any place in them. */
export function copyWords(
  { limits }: GpuDevice,
  bindings: { readonly words: Binding; readonly copied: Binding },
  dims: { readonly count: number; readonly wordsAt: number; readonly copiedAt: number },
): Launch {
  return {
    shader: "shared/copy_words",
    entry: "copy_words",
    constants: { GROUP: POINTWISE_GROUP },
    dims,
    bindings,
    workgroups: spreadGroups(groupsFor(dims.count, POINTWISE_GROUP), limits),
  };
}

/**
 * A launch as launches that each bind at most `storageBuffersMax` buffers. The buffers that tensors
 * are copied into are allocated on the device as scratch is.
 *
 * @throws {LimitError} even with all tensors of a kind in one buffer there are too many buffers, or
 *   such a buffer is larger than a binding may be
 */
export function packLaunch(device: GpuDevice, launch: Launch): Launch[] {
  const most = device.limits.storageBuffersMax;
  const names = Object.keys(launch.bindings);
  if (names.length <= most) return [launch];
  const storage = storageOf(launch.shader, launch.constants);
  const members = names.map((variable) => {
    const { element, writable } = storage.get(variable)!;
    const words = launch.bindings[variable]!.bytes / DTYPE_BYTES.f32;
    return { variable, words, element, writable };
  });
  const bindings: Record<string, Binding> = { ...launch.bindings };
  const packed: Record<string, string> = {};
  const offsets: Record<string, number> = {};
  const before: Launch[] = [];
  const after: Launch[] = [];
  for (const pack of packsOf(launch, members, most)) {
    const host = pack[0]!.variable;
    const bytes = wordsOf(pack) * DTYPE_BYTES.f32;
    const whole = { buffer: device.alloc([wordsOf(pack)], "f32").buffer, bytes };
    let at = 0;
    for (const { variable, words: count, element, writable } of pack) {
      const own = launch.bindings[variable]!;
      if (variable !== host) {
        packed[variable] = host;
        offsets[offsetName(variable)] = at / WORDS[element]!;
        delete bindings[variable];
      }
      if (count > 0) {
        // Also what is written, since an entry point may leave some of it as it was.
        before.push(
          copyWords(device, { words: own, copied: whole }, { count, wordsAt: 0, copiedAt: at }),
        );
        const back = { words: whole, copied: own };
        if (writable) after.push(copyWords(device, back, { count, wordsAt: at, copiedAt: 0 }));
      }
      at += count;
    }
    bindings[host] = whole;
  }
  const { template: _, ...rest } = launch;
  return [
    ...before,
    { ...rest, bindings, packed, dims: { ...launch.dims, ...offsets } },
    ...after,
  ];
}

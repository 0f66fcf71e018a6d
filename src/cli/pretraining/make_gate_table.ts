/** Makes the gate's table for as long as it is given, a file every minute. */
import type { RealPack } from "../../../datasets/pretraining/mod.ts";
import { type Clock, systemClock } from "../../base/clock.ts";
import { committeeMembers } from "../../models/mod.ts";
import { writeAtomic } from "../../service/atomic_file.ts";
import { type GateRow, gateRow } from "./gate_row.ts";
import { encodeTable } from "./gate_table.ts";
import { gateWindow } from "./gate_windows.ts";

/** What is made, and by whom. */
export interface GateOrder {
  readonly folder: string;
  readonly real: RealPack | null;
  readonly seed: number;
  /** Windows part, part + parts, part + 2·parts … are made. */
  readonly part: number;
  readonly parts: number;
  /** Windows are begun for so many seconds. */
  readonly seconds: number;
  /** Seconds between files. */
  readonly every: number;
  readonly clock?: Clock;
  /** Most windows that are looked at. */
  readonly most?: number;
}

/** Files of one run. */
export const TABLE_FILES_MAX = 1_000;

/** A network's member without the hash of its weights. */
const nameOf = (member: string) => member.replace(/@.*$/, "");

/** Makes rows and writes them. @returns how many rows, and how many windows failed */
export async function makeGateTable(order: GateOrder): Promise<{ rows: number; failed: number }> {
  const { folder, real, seed, part, parts, clock = systemClock, most = Infinity } = order;
  const members = committeeMembers();
  const head = { members: members.map(nameOf) };
  const startMs = clock.monotonicMs();
  const elapsed = () => (clock.monotonicMs() - startMs) / 1e3;
  await Deno.mkdir(folder, { recursive: true });
  let waiting: GateRow[] = [];
  let [rows, failed, files, writtenS] = [0, 0, 0, 0];
  const write = async () => {
    if (waiting.length === 0) return;
    const path = `${folder}/gate-${seed}-${part}-${String(files++).padStart(3, "0")}.safetensors`;
    await writeAtomic(path, encodeTable(head, waiting));
    waiting = [];
    writtenS = elapsed();
  };
  for (let k = 0; k < most && elapsed() < order.seconds && files < TABLE_FILES_MAX; k++) {
    const window = gateWindow(real, seed, part + k * parts);
    if (window === null) continue;
    try {
      waiting.push(gateRow(window, members));
      rows++;
    } catch {
      // A window that the committee can't take teaches nothing; how many is told.
      failed++;
    }
    if (elapsed() - writtenS >= order.every) await write();
  }
  await write();
  return { rows, failed };
}

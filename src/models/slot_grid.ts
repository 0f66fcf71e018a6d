/**
 * The recent past on whole slots: what grid members (naive, AR, analogs) look back on. A slot
 * without a sample holds a prediction and is marked unknown, so that nobody learns from it.
 */
export type SlotGrid = {
  /** Values of slots `first … first + length − 1` in units of their scale, then spare room. */
  values: Float32Array;
  /** A bit for each slot, the lowest first: whether a sample was seen. */
  known: Uint8Array;
  length: number;
  first: number;
};

/** Slots that are kept for certain. */
export const GRID_SLOTS_MAX = 2000;

/** Room beyond them, so that moving the past is rare; whole bytes of bits. */
const GRID_SPARE = 64;

/** Room of a full one. */
export const GRID_ROOM_MAX = GRID_SLOTS_MAX + GRID_SPARE;

/** An empty grid whose first slot will be `first`. */
export function emptyGrid(first: number): SlotGrid {
  return { values: new Float32Array(64), known: new Uint8Array(64 / 8), length: 0, first };
}

/** Appends the next slot; the oldest slots are dropped when the grid is full. */
export function pushSlot(grid: SlotGrid, value: number, known: boolean): void {
  if (grid.length === GRID_ROOM_MAX) {
    grid.values.copyWithin(0, GRID_SPARE);
    grid.known.copyWithin(0, GRID_SPARE / 8);
    grid.length = GRID_SLOTS_MAX;
    grid.first += GRID_SPARE;
  }
  if (grid.length === grid.values.length) {
    const room = Math.min(2 * grid.length, GRID_ROOM_MAX);
    const values = new Float32Array(room);
    values.set(grid.values);
    const known = new Uint8Array(room / 8);
    known.set(grid.known);
    grid.values = values;
    grid.known = known;
  }
  grid.values[grid.length] = value;
  const byte = grid.length >> 3;
  const bit = 1 << (grid.length & 7);
  // Where slots were dropped the bits of others are left.
  grid.known[byte] = known ? grid.known[byte]! | bit : grid.known[byte]! & ~bit;
  grid.length++;
}

/** Whether a sample was seen in the slot at a place, the oldest at 0. */
export function isKnownAt({ known }: SlotGrid, at: number): boolean {
  return (known[at >> 3]! >> (at & 7) & 1) === 1;
}

/** Value of a slot, or NaN where it has left the grid. */
export function slotValue(grid: SlotGrid, slot: number): number {
  const at = slot - grid.first;
  return at >= 0 && at < grid.length ? grid.values[at]! : NaN;
}

/** Whether a sample was seen in a slot. */
export function slotKnown(grid: SlotGrid, slot: number): boolean {
  const at = slot - grid.first;
  return at >= 0 && at < grid.length && isKnownAt(grid, at);
}

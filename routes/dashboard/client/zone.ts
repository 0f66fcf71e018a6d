/// <reference lib="dom" />
/** The reader's choice of zone, kept in this browser. */
import { byId, el } from "./dom.ts";
import { type Zone, zoneLabel } from "./format.ts";

const KEY = "driftline-zone";

/** The zone chosen before; UTC at first, as the API answers. */
export function chosenZone(): Zone {
  try {
    return localStorage.getItem(KEY) === "local" ? "local" : "utc";
  } catch {
    // A browser may forbid storage; the choice then lasts for this page.
    return "utc";
  }
}

/** Fills the choice in the bar and calls `changed` when the reader picks another. */
export function bindZone(changed: (zone: Zone) => void): void {
  const select = byId<HTMLSelectElement>("zone");
  for (const zone of ["utc", "local"] as const) {
    const label = zone === "local" ? `${zoneLabel(zone)} (local)` : zoneLabel(zone);
    select.append(el("option", { value: zone }, label));
  }
  select.value = chosenZone();
  select.addEventListener("change", () => {
    const zone = select.value as Zone;
    try {
      localStorage.setItem(KEY, zone);
    } catch {
      // See above.
    }
    changed(zone);
  });
}

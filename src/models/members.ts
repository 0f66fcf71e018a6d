import type { StructuralKind } from "./structural_layout.ts";

/** A voice of the committee: what it is made of. */
export type MemberKind =
  | { readonly form: "seasonal_naive"; readonly season: 0 | 1 }
  | { readonly form: "mean" }
  | { readonly form: "structural"; readonly filter: FilterName }
  | {
    readonly form: "readout";
    readonly filter: FilterName;
    readonly full: boolean;
    /** Heard only where values allow no transform, in place of the members on one. */
    readonly signed?: true;
  }
  | { readonly form: "ar_differences" }
  | { readonly form: "analog" }
  | { readonly form: "neural"; readonly network: string };

/** The structural filters, by what they are good at. */
export type FilterName = "trend" | "far" | "log_far" | "log_near";

const DAMPINGS = [0.9, 0.97];
const LOG_DAMPINGS = [0.8, 0.92];

/**
 * The filters: `trend` is fitted to one-step errors, `far` to many-step ones, the best alone;
 * `log_far` and `log_near` see the log (or root) and are fitted to many-step and to one-step
 * errors.
 */
export const FILTER_KINDS: Readonly<Record<FilterName, StructuralKind>> = {
  trend: {
    name: "trend",
    tausSlots: [8],
    slope: true,
    dampings: DAMPINGS,
    transformed: false,
    multiStepShare: 0,
  },
  far: {
    name: "far",
    tausSlots: [2, 16],
    slope: true,
    dampings: DAMPINGS,
    transformed: false,
    multiStepShare: 0.7,
  },
  log_far: {
    name: "log_far",
    tausSlots: [2, 16],
    slope: true,
    dampings: LOG_DAMPINGS,
    transformed: true,
    multiStepShare: 0.7,
  },
  log_near: {
    name: "log_near",
    tausSlots: [3],
    slope: true,
    dampings: LOG_DAMPINGS,
    transformed: true,
    multiStepShare: 0,
  },
};

/** Every member that a model can be made of. */
export const MEMBER_KINDS = {
  seasonal_naive: { form: "seasonal_naive", season: 0 },
  seasonal_naive_long: { form: "seasonal_naive", season: 1 },
  mean: { form: "mean" },
  structural: { form: "structural", filter: "far" },
  structural_log: { form: "structural", filter: "log_far" },
  readout_trend: { form: "readout", filter: "trend", full: true },
  readout_far: { form: "readout", filter: "far", full: true },
  readout_far_signed: { form: "readout", filter: "far", full: true, signed: true },
  readout_log_far: { form: "readout", filter: "log_far", full: true },
  readout_log_far_light: { form: "readout", filter: "log_far", full: false },
  readout_log_near: { form: "readout", filter: "log_near", full: true },
  readout_log_near_light: { form: "readout", filter: "log_near", full: false },
  ar_differences: { form: "ar_differences" },
  analog: { form: "analog" },
} as const satisfies Record<string, MemberKind>;

/** The name of a member: of {@linkcode MEMBER_KINDS}, or of a network in the registry by its id. */
export type MemberName = keyof typeof MEMBER_KINDS | `network:${string}`;

const NETWORK_PREFIX = "network:";

/** The member that the network of an id is. */
export function networkMember(id: string): MemberName {
  return `${NETWORK_PREFIX}${id}`;
}

/** What a member is made of. */
export function kindOf(name: MemberName): MemberKind {
  if (name.startsWith(NETWORK_PREFIX)) {
    return { form: "neural", network: name.slice(NETWORK_PREFIX.length) };
  }
  return MEMBER_KINDS[name as keyof typeof MEMBER_KINDS];
}

/** The filters that a set of members needs; the first is the reference for gaps and one step. */
export function filtersOf(members: readonly MemberName[]): FilterName[] {
  const needed = new Set<FilterName>();
  for (const name of members) {
    const kind = kindOf(name);
    if (kind.form === "structural" || kind.form === "readout") needed.add(kind.filter);
  }
  return (Object.keys(FILTER_KINDS) as FilterName[]).filter((name) => needed.has(name));
}

/** Whether a member works on the log or root, and is cut nearer to the range seen. */
export function isTransformed(name: MemberName): boolean {
  const kind = kindOf(name);
  return (kind.form === "structural" || kind.form === "readout") &&
    FILTER_KINDS[kind.filter].transformed;
}

/** Whether a member stands in for those on the log or root where values can be below 0. */
export function isSigned(name: MemberName): boolean {
  const kind = kindOf(name);
  return kind.form === "readout" && kind.signed === true;
}

/** Which readouts of a filter a set of members has. */
export function readoutsOf(
  members: readonly MemberName[],
  filter: FilterName,
): { light: boolean; full: boolean } {
  const kinds = members.map(kindOf);
  const has = (full: boolean) =>
    kinds.some((kind) => kind.form === "readout" && kind.filter === filter && kind.full === full);
  return { light: has(false), full: has(true) };
}

/** What a member is called where people read it: a network by its name alone. */
export function shownName(name: MemberName): string {
  const kind = kindOf(name);
  return kind.form === "neural" ? kind.network.replace(/@.*$/, "") : name;
}

/** The neural forecaster: what it sees of a series, and its network. */
export { ANCHORS, LEAD_FEATURES, leadRows, LEVELS, TOKEN_FEATURES } from "./shapes.ts";
export type { LeadRows } from "./shapes.ts";

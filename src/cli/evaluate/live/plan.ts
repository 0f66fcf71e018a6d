/** What is measured with contexts fed sample by sample, and where that is kept. */
import { DEFAULT_MODEL } from "../../../models/mod.ts";
import { PLAIN_COMMITTEE } from "../subject.ts";

/** Name of the file of records beside those of the sets: their windows are the same. */
export const LIVE_FILE = "live";

/** Models that are fed where none are named. */
export const LIVE_MODELS: readonly string[] = [DEFAULT_MODEL, PLAIN_COMMITTEE];

import { type EnsembleRun, openEnsemble } from "../../src/models/ensemble_run.ts";
import type { MemberName } from "../../src/models/members.ts";
import { refit } from "../../src/models/refit.ts";
import type { RefitInput } from "../../src/models/refit_setting.ts";
import { hours } from "./_series.ts";

/** Hourly values to be fitted for the first time, 12 hours ahead, the season to be found. */
export function refitInput(
  members: readonly MemberName[],
  values: Float64Array,
  changes: Partial<RefitInput> = {},
): RefitInput {
  return {
    members,
    horizon: 12,
    seasonsS: [],
    times: hours(values.length),
    values,
    seen: values.length,
    records: [],
    prefixes: [],
    before: null,
    ...changes,
  };
}

/** The ensemble of some members after its first fit. */
export function fittedRun(
  members: readonly MemberName[],
  values: Float64Array,
  changes: Partial<RefitInput> = {},
): EnsembleRun {
  return openEnsemble(refit(refitInput(members, values, changes)).state);
}

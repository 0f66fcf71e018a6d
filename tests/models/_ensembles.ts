import { type EnsembleRun, openEnsemble } from "../../src/models/ensemble.ts";
import type { MemberName } from "../../src/models/members.ts";
import { refit } from "../../src/models/refit.ts";
import { hours } from "./_series.ts";

/** The ensemble of some members after its first fit to hourly values. */
export function fittedRun(
  members: MemberName[],
  horizon: number,
  values: Float64Array,
  prefixes: number[] = [],
): EnsembleRun {
  const { state } = refit({
    members,
    horizon,
    seasonsS: [],
    times: hours(values.length),
    values,
    seen: values.length,
    records: [],
    prefixes,
    before: null,
  });
  return openEnsemble(state);
}

import type { Segment } from "../../signal/segment.ts";
import type { AlertRule, ValueCondition, Watch } from "./alert.ts";
import type { AlertDraft } from "./alert_draft.ts";
import { type Predicted, valueFinding } from "./findings.ts";

/**
 * Reads in-order samples for a rule on values: opens an alert at the `samples`-th value beyond the
 * bound in a row, and ends it at the first one inside.
 *
 * @param start  in-order offset of the segment's first sample; samples before the watch are passed
 * @returns the watch behind the segment
 */
export function watchValues(
  draft: AlertDraft,
  rule: AlertRule & { readonly condition: ValueCondition },
  watch: Watch,
  { segment, start, predicted }: {
    readonly segment: Segment;
    readonly start: number;
    readonly predicted: Predicted | null;
  },
): Watch {
  const { condition } = rule;
  const { streamId } = watch;
  const length = segment.timestampsNs.length;
  let { run } = watch;
  // Looked up at the first value inside: what an earlier segment left open ends there.
  let isResting = false;
  for (let row = Math.max(0, watch.offset - start); row < length; row++) {
    const outcome = valueFinding(condition, segment, row, predicted);
    if (outcome === null) continue;
    if (outcome === "inside") {
      run = 0;
      if (!isResting) draft.rest(rule, streamId, segment.timestampsNs[row]!);
      isResting = true;
      continue;
    }
    run++;
    isResting = false;
    if (run < condition.samples) continue;
    draft.raise({ rule, streamId, finding: outcome, isBegin: run === condition.samples });
  }
  return { ...watch, run, offset: Math.max(watch.offset, start + length) };
}

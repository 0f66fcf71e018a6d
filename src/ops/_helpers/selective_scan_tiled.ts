/** The passes of the tiled `selective_scan` on a GPU, there and back, for given forms. */
import type { Shape } from "../../tensor/shape.ts";
import type { LaunchPlan, Pass, Some } from "../op.ts";
import { chunkCarry, QUAD } from "./chunk_carry.ts";
import { groupsFor } from "./plan.ts";
import { columnSums, joinPlans } from "./reduce.ts";
import type { Sizes } from "./selective_scan_backward.ts";
import type { FlowForm, ScanForm, ScanForms } from "./selective_scan_forms.ts";

type Input = "u" | "delta" | "A" | "B" | "C" | "D" | "z" | "deltaBias" | "x0";

const FORWARD = "fast/selective_scan";
const BACKWARD = "fast/selective_scan_backward";

/** A call: what both ways need to know of it. */
interface Call {
  readonly sizes: Sizes;
  readonly shapes: Some<Input, Shape>;
  readonly softplus: boolean;
}

/** What all passes over a call's steps share, and what differs by form. */
function callOf({ sizes, shapes, softplus }: Call, wishedChunk: number, tile: number) {
  const { batch, length, feature, state, groupB, groupC } = sizes;
  const chunks = Math.max(1, Math.ceil(length / wishedChunk));
  const chunk = chunks === 1 ? length : wishedChunk;
  const tiles = Math.ceil(chunk / tile);
  const has = (name: Input) => shapes[name] ? 1 : 0;
  const named = (name: Input) => shapes[name] ? [name] : [];
  const constantsOf = (form: ScanForm) => ({
    FEATURES: form.features,
    PARTS: form.parts,
    LANES: form.lanes,
    QUADS: state / QUAD / form.parts,
    TILE: form.tile,
    CHUNKED: chunks > 1 ? 1 : 0,
    SOFTPLUS: softplus ? 1 : 0,
    HAS_D: has("D"),
    HAS_Z: has("z"),
    HAS_BIAS: has("deltaBias"),
    HAS_X0: has("x0"),
  });
  const dimsOf = ({ features }: ScanForm) => ({
    ...{ batch, length, rows: feature / features, chunk, chunks, tiles, groupB, groupC },
  });
  const tilesOf = ({ features, lanes }: ScanForm) => groupsFor(feature, features * lanes);
  const carry = { spans: "spans", batch, chunks, feature, state };
  const initial = shapes.x0 ? "x0" : undefined;
  const starts = chunkCarry({ ...carry, ends: "starts", initial });
  const flows = chunkCarry({ ...carry, ends: "flows", initial: "gradState", reversed: true });
  return { chunks, tiles, named, constantsOf, dimsOf, tilesOf, starts, flows };
}

/** The passes of a scan. */
export function tiledPlan(call: Call, forms: ScanForms<ScanForm>): LaunchPlan {
  const { before, apply, chunk } = forms;
  const { batch, feature, state } = call.sizes;
  const { chunks, named, constantsOf, dimsOf, tilesOf, starts } = callOf(call, chunk, apply.tile);
  const steps = ["u", "delta", "A", "B", ...named("deltaBias")];
  const reduce: Pass = {
    shader: FORWARD,
    entry: "reduce_chunks",
    constants: { ...constantsOf(before), APPLY: 0 },
    dims: dimsOf(before),
    bindings: [...steps, "starts", "spans"],
    workgroups: [tilesOf(before), chunks - 1, batch],
  };
  const last: Pass = {
    shader: FORWARD,
    entry: "apply_chunks",
    constants: { ...constantsOf(apply), APPLY: 1 },
    dims: dimsOf(apply),
    bindings: [
      ...[...steps, "C", ...named("D"), ...named("z")],
      ...[...(chunks > 1 ? ["starts"] : named("x0")), "y", "state"],
    ],
    workgroups: [tilesOf(apply), chunks, batch],
  };
  if (chunks === 1) return { scratch: {}, passes: [last] };
  const rows = batch * chunks * feature;
  return {
    scratch: { starts: rows * state, spans: rows },
    passes: [reduce, starts, last],
  };
}

/** Where one workgroup has a whole group there is nothing to add: its share is the gradient. */
function shareOf(name: "B" | "C", group: number, featureTiles: number): string {
  return featureTiles === group ? `sharesOf${name}=grad${name}` : `sharesOf${name}`;
}

/** The sums of the rows of partial sums that the last pass of the way back wrote. */
function sumsOf({ sizes, shapes }: Call, rows: number, featureTiles: number): LaunchPlan[] {
  const { batch, length, feature, state, groupB, groupC } = sizes;
  const sums = (target: string, left: string, count: number, columns: number) =>
    joinPlans(
      { scratch: { [left]: count * columns }, passes: [] },
      columnSums({ target, left, rows: count, columns }),
    );
  const shares = (name: "B" | "C", group: number) =>
    featureTiles === group ? [] : [sums(
      `grad${name}`,
      `sharesOf${name}`,
      featureTiles / group,
      batch * length * group * state,
    )];
  return [
    sums("gradA", "sumsOfA", rows, feature * state),
    ...shares("B", groupB),
    ...shares("C", groupC),
    ...(shapes.D ? [sums("gradD", "sumsOfD", rows, feature)] : []),
    ...(shapes.deltaBias ? [sums("gradDeltaBias", "sumsOfBias", rows, feature)] : []),
  ];
}

/** The passes of the way back. */
export function tiledBackwardPlan(call: Call, forms: ScanForms<FlowForm>): LaunchPlan {
  const { before, apply, chunk } = forms;
  const { sizes: { batch, feature, state, groupB, groupC }, shapes } = call;
  const { chunks, tiles, named, ...shared } = callOf(call, chunk, apply.tile);
  const { constantsOf, dimsOf, tilesOf, starts, flows } = shared;
  const several = chunks > 1;
  const steps = ["u", "delta", ...named("deltaBias"), "A", "B"];
  const keep: Pass = {
    shader: BACKWARD,
    entry: "keep_states",
    constants: {
      ...constantsOf(before),
      ...{ TEAM: 1, KEPT: apply.tile, APPLY: 0, FLOWS: several ? 1 : 0 },
    },
    dims: dimsOf(before),
    bindings: [
      ...[...steps, "kept"],
      ...(several
        ? ["C", ...named("z"), "gradY", "keptSpans", "starts", "flows", "spans"]
        : named("x0")),
    ],
    workgroups: [tilesOf(before), chunks, batch],
  };
  const featureTiles = tilesOf(apply);
  const last: Pass = {
    shader: BACKWARD,
    entry: "apply_flows",
    constants: { ...constantsOf(apply), TEAM: apply.team, KEPT: apply.tile, APPLY: 1, FLOWS: 1 },
    dims: dimsOf(apply),
    bindings: [
      ...[...steps, "C", ...named("D"), ...named("z"), ...(shapes.z ? ["gradZ"] : [])],
      ...["gradY", "kept", ...(several ? ["keptSpans", "starts", "flows"] : ["gradState"])],
      ...["gradU", "gradDelta", ...(shapes.x0 ? ["gradX0"] : []), "sumsOfA"],
      ...[...(shapes.D ? ["sumsOfD"] : []), ...(shapes.deltaBias ? ["sumsOfBias"] : [])],
      ...[shareOf("B", groupB, featureTiles), shareOf("C", groupC, featureTiles)],
    ],
    workgroups: [featureTiles, chunks, batch],
  };
  const rows = batch * chunks;
  const bank = feature * state;
  const carried = {
    keptSpans: rows * tiles * feature,
    starts: rows * bank,
    flows: rows * bank,
    spans: rows * feature,
  };
  const own: LaunchPlan = {
    scratch: { kept: rows * tiles * bank, ...(several ? carried : {}) },
    passes: [keep, ...(several ? [starts, flows] : []), last],
  };
  return joinPlans(own, ...sumsOf(call, rows, featureTiles));
}

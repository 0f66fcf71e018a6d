/** The rows of the family's table: every layer of the hub, configurations of some, Kalman's. */
import { LAYERS, type Paper } from "../../layers/mod.ts";
import { memberDefaults, memberNamed } from "../../models/backbone_config.ts";
import { kalmanConfig, kalmanMember, kalmanSmootherMember } from "./kalman_member.ts";
import type { TwoForms } from "./two_forms.ts";

/** Width of the layers in the table. */
export const FAMILY_WIDTH = 64;

/** One row to be. */
export interface FamilyMember {
  readonly name: string;
  readonly forms: TwoForms;
  readonly config: Readonly<Record<string, unknown>> & { readonly feature: number };
  readonly papers: readonly Paper[];
  /** Outputs depend on later samples: there is nothing to step, and no part stands alone. */
  readonly needsAll?: boolean;
  /** Groups of golden cases, `GROUP` or `GROUP/KIND`; undefined for a configuration of another. */
  readonly goldens: ((group: string, kind: string) => boolean) | undefined;
}

/** A configuration of a layer that its readers know as a member of its own. */
interface Variant {
  readonly layer: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Which of the layer's papers define it; all of them where absent. */
  readonly arxiv?: string;
}

const VARIANTS: readonly Variant[] = [
  { layer: "hippo", config: { measure: "legt" } },
  { layer: "hippo", config: { measure: "lmu" } },
  { layer: "hippo", config: { measure: "lagt" } },
  { layer: "hippo", config: { measure: "fourier" } },
  { layer: "linear_attention", config: { decay: "none" }, arxiv: "2006.16236" },
  { layer: "linear_attention", config: { decay: "fixed" }, arxiv: "2307.08621" },
  { layer: "s4d", config: { discretization: "bilinear" } },
];

/** Golden cases of a member that lie in a group of another name. */
const GOLDENS_ELSEWHERE: Readonly<Record<string, { group: string; kind: string }>> = {
  attention: { group: "layers", kind: "mha" },
};

/** Layers whose name is that of a group of cases of their op: the layer itself has none. */
const GOLDENS_OF_OPS: ReadonlySet<string> = new Set(["kalman"]);

/** Whether the cases of a kind are of a member: `hippo` has the groups `hippo`, `hippo_…`. */
function goldensOf(name: string): (group: string, kind: string) => boolean {
  const other = GOLDENS_ELSEWHERE[name];
  return (group, kind) =>
    group === name || group.startsWith(`${name}_`) ||
    (group === other?.group && kind === other.kind);
}

function variantMember({ layer: name, config, arxiv }: Variant): FamilyMember {
  const layer = memberNamed(name);
  return {
    name: [name, ...Object.values(config)].join(" "),
    forms: layer,
    config: { ...memberDefaults(layer, FAMILY_WIDTH), ...config, feature: FAMILY_WIDTH },
    papers: layer.papers.filter((paper) => arxiv === undefined || paper.arxiv === arxiv),
    goldens: undefined,
  };
}

/** Every row: a layer that the hub names, or a configuration of it, has one without a line here. */
export function familyMembers(): FamilyMember[] {
  const layers = LAYERS.flatMap((layer): FamilyMember[] => [
    {
      name: layer.name,
      forms: layer,
      config: { ...memberDefaults(layer, FAMILY_WIDTH), feature: FAMILY_WIDTH },
      papers: layer.papers,
      goldens: GOLDENS_OF_OPS.has(layer.name) ? () => false : goldensOf(layer.name),
    },
    ...VARIANTS.filter((variant) => variant.layer === layer.name).map(variantMember),
  ]);
  const filter: FamilyMember = {
    name: kalmanMember.name,
    forms: kalmanMember,
    config: kalmanConfig,
    papers: kalmanMember.papers,
    goldens: goldensOf("kalman"),
  };
  const smoother: FamilyMember = {
    ...filter,
    name: kalmanSmootherMember.name,
    forms: kalmanSmootherMember,
    needsAll: true,
    goldens: undefined,
  };
  return [...layers, filter, smoother];
}

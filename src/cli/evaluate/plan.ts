import { PLAIN_COMMITTEE } from "./subject.ts";
import { MAIN_SETTINGS, type Setting, settingNamed, SETTINGS } from "./settings.ts";

/** Models that are measured in the main settings only: members, and the committee's other form. */
const MAIN_ONLY: readonly string[] = [
  "mean",
  "structural",
  "readout",
  "ar_differences",
  "analog",
  PLAIN_COMMITTEE,
];

/** The set in which every setting is measured; the second is for the main ones. */
export const DEVELOPMENT_SET = "dev";

/**
 * Settings that a model is measured in.
 *
 * @param asked  `main`, `all` or names; undefined chooses by model and set
 */
export function settingsFor(
  asked: readonly string[] | undefined,
  { model, set }: { readonly model: string; readonly set: string },
): readonly Setting[] {
  if (asked !== undefined) {
    return asked.flatMap((name) =>
      name === "all" ? SETTINGS : (name === "main" ? MAIN_SETTINGS : [name]).map(settingNamed)
    );
  }
  const isMain = set !== DEVELOPMENT_SET || MAIN_ONLY.includes(model) || model.includes("@");
  return isMain ? MAIN_SETTINGS.map(settingNamed) : SETTINGS;
}

/** Name of the settings that are measured together with one, since they share contexts. */
function familyOf({ name, newest, asked, every }: Setting): string {
  if (every !== undefined) return `every ${every}`;
  return newest !== undefined || asked !== undefined || name === "given" ? "given" : name;
}

/** Settings in groups that are measured together. */
export function families(settings: readonly Setting[]): Setting[][] {
  const groups = new Map<string, Setting[]>();
  for (const setting of settings) {
    const family = familyOf(setting);
    groups.set(family, [...groups.get(family) ?? [], setting]);
  }
  return [...groups.values()];
}

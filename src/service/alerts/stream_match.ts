import type { StreamRecord } from "../../stores/store.ts";
import type { StreamChoice } from "./alert.ts";

/** True when a rule's choice of streams takes this one in: it meets all that is given. */
export function isChosen(
  { ids, prefix, labels }: StreamChoice,
  { id, settings }: Pick<StreamRecord, "id" | "settings">,
): boolean {
  if (ids.length > 0 && !ids.includes(id)) return false;
  if (!id.startsWith(prefix)) return false;
  return Object.entries(labels).every(([name, text]) =>
    Object.hasOwn(settings.labels, name) && settings.labels[name] === text
  );
}

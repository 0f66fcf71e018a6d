/// <reference lib="dom" />
/** What a page says of itself: a notice above its content, and whether it is live. */
import { ApiError } from "./api.ts";
import { byId, type Child, el } from "./dom.ts";

/** Shows a notice above the page's content, in place of any other. */
export function showNotice(kind: "error" | "empty", title: string, ...body: Child[]): void {
  byId("notice").replaceChildren(
    el("div", { class: "notice", "data-kind": kind }, el("h2", {}, title), ...body),
  );
}

/** Takes the notice away. */
export function clearNotice(): void {
  const notice = byId("notice");
  if (notice.hasChildNodes()) notice.replaceChildren();
}

/** Tells why the service refused; anything else is a fault of the page and thrown on. */
export function showRefusal(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
  showNotice("error", error.message, el("p", { class: "quiet" }, error.detail));
}

/** Says in the page's corner whether what it shows is live. */
export function showLive(state: "open" | "lost" | "idle", text: string): void {
  const pill = byId("live");
  pill.dataset["state"] = state;
  pill.textContent = text;
}

/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

type Child = Node | string | null;

/** The element with this id, which the page's own HTML holds. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element "${id}"`);
  return element as T;
}

/** A new element with attributes and children; text is never read as HTML. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Shows a notice above the page's content, or none. */
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

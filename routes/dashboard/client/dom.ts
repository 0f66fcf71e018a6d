/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** What an element holds; text is never read as HTML, null is nothing. */
export type Child = Node | string | null;

/** The element with this id, which the page's own HTML holds. */
export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no element "${id}"`);
  return element as T;
}

/** A new element with attributes and children. */
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

/** One figure of a row of tiles. */
export function tile(name: string, value: string, note: string | null = null): HTMLElement {
  return el(
    "div",
    {},
    el("dt", {}, name),
    el("dd", {}, value, note === null ? null : el("small", {}, note)),
  );
}

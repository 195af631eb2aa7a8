// Elements without markup: whatever came out of a recording gets into the page as a text node, never as HTML.

type Child = Node | string | null | false;
type Attributes = Record<string, string | boolean | number | ((event: never) => void) | undefined>;

export function el<N extends keyof HTMLElementTagNameMap>(
  name: N,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[N] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(key, value as EventListener);
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}

export function replace(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== false));
}

let numbered = 0;

/** A labelled field; `hint` stands below. */
export function field(label: string, input: HTMLElement, hint?: string): HTMLElement {
  const id = input.id || `field-${++numbered}`;
  input.id = id;
  if (hint !== undefined) input.setAttribute("aria-describedby", `${id}-hint`);
  return el(
    "div",
    { class: "field" },
    el("label", { for: id }, label),
    input,
    hint === undefined ? null : el("p", { class: "hint", id: `${id}-hint` }, hint),
  );
}

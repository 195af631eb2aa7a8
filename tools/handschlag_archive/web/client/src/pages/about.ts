import type { Page } from "../app";
import { el } from "../dom";
import { words } from "../words";

export function aboutPage(): Page {
  const text = words().aboutText;
  const element = el(
    "article",
    { class: "narrow card" },
    el("h1", {}, text.title),
    ...text.paragraphs.map((paragraph) => el("p", {}, paragraph)),
    el("p", {}, el("a", { href: "#/" }, words().back)),
  );
  return { title: text.title, element };
}

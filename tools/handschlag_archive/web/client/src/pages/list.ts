// All calls, the newest first, found as one types. Only so many are put into the page; the search goes over all.

import type { App, Page } from "../app";
import { el, replace } from "../dom";
import { type Entry, keyOf } from "../library";
import type { Row } from "../row";
import { type Found, search, searchable } from "../search";
import type { Session } from "../session";
import { dayOf, duration, inBoth, timeOfDay, words } from "../words";

const SHOWN = 100;

export function listPage(app: App, session: Session): Page {
  const text = words().list;
  if (!session.hasKeys) {
    return { title: text.title, element: el("p", { class: "narrow card" }, words().login.roleNothing) };
  }
  const { library } = session;
  const input = el("input", { type: "search", id: "search", value: session.query, placeholder: text.searchHint, autocomplete: "off", spellcheck: "false", "data-focus": true });
  const count = el("p", { class: "quiet count", role: "status" });
  const progress = el("progress", { "aria-label": words().loading });
  const rows = el("div", { class: "days" });
  const more = el("button", { type: "button", class: "plain more", hidden: true }, text.more);
  const broken = el("details", { class: "card warn", hidden: true });
  const element = el(
    "section",
    { class: "list" },
    el("h1", { class: "unseen" }, text.title),
    session.ownerDiffers ? el("p", { class: "message", role: "alert" }, words().login.ownerDiffers) : null,
    el("div", { class: "search" }, el("label", { for: "search", class: "unseen" }, text.search), input),
    el("div", { class: "above" }, count, progress),
    broken,
    rows,
    more,
  );

  let all: Found[] = [];
  let shown = SHOWN;
  let pending = 0;

  const refresh = (): void => {
    const begun = performance.now();
    const found = session.query.trim() === "" ? all : search(all, session.query);
    element.dataset.searchMs = (performance.now() - begun).toFixed(1);
    replace(rows, ...days(found.slice(0, shown).map((each) => each.row)));
    more.hidden = found.length <= shown;
    replace(count, summary(found.length));
    element.dataset.found = String(found.length);
  };
  const summary = (found: number): string => {
    if (!library.done) return text.opening(library.entries.size, library.expected);
    if (all.length === 0) return text.empty;
    return found === 0 ? text.none : text.count(found, all.length);
  };
  const collect = (): void => {
    pending = 0;
    all = [...library.entries.values()].sort(newestFirst).map((entry) => searchableOf(entry));
    progress.hidden = library.done;
    progress.max = Math.max(1, library.expected);
    progress.value = library.entries.size + library.unopened.size;
    element.dataset.done = String(library.done);
    element.dataset.figures = JSON.stringify(library.figures);
    showBroken();
    refresh();
  };
  const showBroken = (): void => {
    const failed = [...library.unopened.values()];
    broken.hidden = failed.length === 0;
    replace(
      broken,
      el("summary", {}, text.unopened(failed.length)),
      el("ul", {}, ...failed.slice(0, 50).map(({ listed, failure }) => el("li", {}, el("a", { href: `#/call/${keyOf(listed)}` }, listed.recording), ` – ${failure.message}`))),
    );
  };
  const listener = (): void => {
    if (pending === 0) pending = requestAnimationFrame(collect);
  };

  input.addEventListener("input", () => {
    session.query = input.value;
    shown = SHOWN;
    refresh();
  });
  more.addEventListener("click", () => {
    shown += SHOWN;
    refresh();
  });
  session.listeners.add(listener);
  collect();
  void library.load().catch((error: unknown) => {
    if (app.session === session) replace(count, app.explain(error));
  });
  return {
    title: text.title,
    element,
    close: () => {
      session.listeners.delete(listener);
      cancelAnimationFrame(pending);
    },
  };
}

const newestFirst = (a: Entry, b: Entry): number => (a.row.recording < b.row.recording ? 1 : -1);

const known = new WeakMap<Row, Found>();

function searchableOf(entry: Entry): Found {
  let found = known.get(entry.row);
  if (found === undefined) {
    const { row, listed } = entry;
    const kind = listed.kept_for ?? row.kept_for;
    found = searchable(row, [
      ...inBoth((words) => words.ways[row.way]),
      ...inBoth((words) => words.classes[kind] ?? kind),
      ...(row.direction === "" ? [] : inBoth((words) => (row.direction === "in" ? words.call.incoming : words.call.outgoing))),
      ...(row.marks > 0 ? inBoth((words) => words.call.mark) : []),
    ]);
    known.set(row, found);
  }
  return found;
}

function days(rows: readonly Row[]): HTMLElement[] {
  const out: HTMLElement[] = [];
  let day = "";
  let list = el("ol", { class: "calls" });
  for (const row of rows) {
    const named = dayName(row.at);
    if (named !== day) {
      day = named;
      list = el("ol", { class: "calls" });
      out.push(el("section", {}, el("h2", {}, day), list));
    }
    list.append(el("li", {}, line(row)));
  }
  return out;
}

function dayName(at: string): string {
  const date = new Date(at);
  const today = new Date();
  const yesterday = new Date(today.getFullYear(), today.getMonth(), today.getDate() - 1);
  if (date.toDateString() === today.toDateString()) return words().list.today;
  if (date.toDateString() === yesterday.toDateString()) return words().list.yesterday;
  return dayOf(at);
}

function line(row: Row): HTMLElement {
  const text = words();
  const outgoing = row.direction === "out";
  const who = row.name || row.number || text.call.unknown;
  return el(
    "a",
    { href: `#/call/${keyOf(row)}`, class: "call" },
    el("span", { class: `way ${outgoing ? "out" : "in"}`, "aria-label": row.direction === "" ? "" : outgoing ? text.call.outgoing : text.call.incoming, role: "img" }, outgoing ? "↗" : "↙"),
    el("span", { class: "who" }, el("strong", {}, who), row.name !== "" && row.number !== "" ? el("span", { class: "quiet number" }, row.number) : null),
    el(
      "span",
      { class: "chips" },
      row.marks > 0 ? el("span", { class: "chip" }, `★ ${row.marks}`, el("span", { class: "unseen" }, ` ${text.call.marks}`)) : null,
      ...row.tags.slice(0, 3).map((tag) => el("span", { class: "chip" }, `#${tag}`)),
      row.employee === "" ? null : el("span", { class: "chip" }, row.employee),
      el("span", { class: "chip soft" }, text.ways[row.way]),
      el("span", { class: "chip soft" }, text.classes[row.kept_for] ?? row.kept_for),
    ),
    el("span", { class: "when" }, el("time", { datetime: row.at }, timeOfDay(row.at)), el("span", { class: "length" }, duration(row.seconds))),
  );
}

// Notes and tags: sealed in this browser with the recording's own key, so that they go when it goes. They are only added;
// who wrote them and when, the server knows.

import type { App } from "../app";
import { el, field, replace } from "../dom";
import type { Call, NoteContent } from "../keeper/keeper";
import { withNotes } from "../row";
import { fromBase64url } from "../sealed/bytes";
import type { Session } from "../session";
import { dateTime, duration, words } from "../words";
import type { Listen } from "./listen";

interface Note {
  at: string;
  content: NoteContent | null;
}

export function notesCard(app: App, session: Session, call: Call, listen: Listen): { element: HTMLElement; focus: () => void } {
  const text = words().notes;
  const { box, recording } = call.row;
  const list = el("ol", { class: "notes" });
  const input = el("textarea", { rows: 3, maxlength: 4000, name: "note" });
  const tags = el("input", { name: "tags", maxlength: 400, autocomplete: "off" });
  const here = el("input", { type: "checkbox", id: "note-here", checked: true });
  const hereText = el("label", { for: "note-here" });
  const message = el("p", { class: "message", role: "alert" });
  const go = el("button", { type: "submit", id: "note-save" }, text.save);
  const form = el(
    "form",
    { novalidate: true, class: "note-form" },
    field(text.add, input),
    field(text.tags, tags, text.tagsHint),
    el("div", { class: "check" }, here, hereText),
    message,
    go,
  );
  const element = el("section", { class: "card" }, el("h2", {}, text.title), list, form);
  let at = 0;
  const takePosition = (): void => {
    at = listen.positionSeconds();
    replace(hereText, text.at(duration(at)));
  };
  form.addEventListener("focusin", takePosition);
  takePosition();

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    replace(message);
    const given = [...new Set(tags.value.split(",").map((tag) => tag.trim().replace(/^#/, "").slice(0, 60)).filter(Boolean))].slice(0, 20);
    if (input.value.trim() === "" && given.length === 0) return replace(message, text.empty);
    go.disabled = true;
    const content: NoteContent = {
      version: 1,
      text: input.value.trim(),
      ...(given.length > 0 ? { tags: given } : {}),
      ...(here.checked ? { at_s: Math.round(at * 100) / 100 } : {}),
    };
    void add(content)
      .then(() => {
        input.value = "";
        tags.value = "";
        app.announce(text.saved);
      })
      .catch((error: unknown) => replace(message, app.explain(error)))
      .finally(() => (go.disabled = false));
  });

  async function add(content: NoteContent): Promise<void> {
    await session.api.addNote(box, recording, await session.keeper.sealNote(box, recording, content));
    await load(true);
  }

  async function load(changed: boolean): Promise<void> {
    const notes: Note[] = [];
    for (const stored of await session.api.notes(box, recording)) {
      let content: NoteContent | null = null;
      try {
        content = await session.keeper.openNote(box, recording, fromBase64url(stored.data, "note"), `note.${stored.id}`);
      } catch {
        // told below
      }
      notes.push({ at: stored.at, content });
    }
    show(notes);
    if (changed) {
      const row = session.library.entries.get(`${box}/${recording}`)?.row ?? call.row;
      await session.library.update(withNotes(row, notes.map((note) => note.content ?? { version: 1, text: "" })));
    }
  }

  function show(notes: readonly Note[]): void {
    replace(list, ...(notes.length === 0 ? [el("li", { class: "quiet" }, text.none)] : notes.map(item)));
    listen.setNotes(notes.flatMap(({ content }) => (typeof content?.at_s === "number" ? [content.at_s] : [])));
  }

  function item({ at: written, content }: Note): HTMLElement {
    const when = el("p", { class: "quiet" }, dateTime(written));
    if (content === null) return el("li", {}, when, el("p", { class: "message" }, text.unreadable));
    const moment = content.at_s;
    if (typeof moment === "number") {
      when.append(" · ", el("button", { type: "button", class: "link", "aria-label": text.jump(duration(moment)), click: () => listen.seekSeconds(moment) }, duration(moment)));
    }
    return el(
      "li",
      {},
      when,
      content.text === "" ? null : el("p", { class: "note-text" }, content.text),
      content.tags === undefined ? null : el("p", {}, ...content.tags.flatMap((tag) => [el("span", { class: "chip" }, `#${tag}`), " "])),
    );
  }

  void load(false).catch((error: unknown) => replace(list, el("li", { class: "message" }, app.explain(error))));
  return { element, focus: () => input.focus() };
}

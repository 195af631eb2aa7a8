// One call: listen, its facts, its notes, and whether it is genuine.

import { ApiError } from "../api";
import type { App, Page } from "../app";
import { el, replace } from "../dom";
import type { Call } from "../keeper/keeper";
import { SealedError } from "../sealed/errors";
import type { Session } from "../session";
import { dateTime, words } from "../words";
import { factsCard } from "./facts";
import { listenCard } from "./listen";
import { notesCard } from "./notes";
import { verifyCard } from "./verify";

export function callPage(app: App, session: Session, box: string, recording: string): Page {
  const text = words();
  const element = el("article", { class: "call-page" }, el("p", { class: "quiet" }, text.loading));
  const closers: (() => void)[] = [];
  let closed = false;

  async function open(): Promise<void> {
    const key = `${box}/${recording}`;
    const bundle = await session.api.openings([[box, recording]]);
    const files = bundle.get(key);
    if (files === undefined) return fail(text.call.gone, null);
    const call = await session.keeper.open({ box, recording, files });
    if (closed) return void session.keeper.close(box, recording);
    closers.push(() => void session.keeper.close(box, recording).catch(() => undefined));
    show(call);
  }

  function show(call: Call): void {
    const listed = session.library.entries.get(`${box}/${recording}`)?.listed ?? null;
    const { row } = call;
    const title = row.name || row.number || text.call.unknown;
    document.title = `${title} · ${text.product}`;
    const listen = listenCard(app, session, call);
    closers.push(listen.close);
    const notes = notesCard(app, session, call, listen);
    listen.onNoteKey = notes.focus;
    replace(
      element,
      back(),
      el(
        "header",
        { class: "title" },
        el("h1", { tabindex: "-1", "data-focus": true }, title),
        el("p", { class: "quiet" }, [row.name !== "" ? row.number : "", dateTime(row.at), row.clock === "synced" ? "" : text.call.unsynced].filter(Boolean).join(" · ")),
      ),
      listen.element,
      el("div", { class: "columns" }, el("div", {}, notes.element), el("div", {}, verifyCard(app, session, call), factsCard(call, listed, listen.seekSeconds))),
    );
    element.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }

  function fail(title: string, why: string | null): void {
    replace(
      element,
      back(),
      el(
        "div",
        { class: "card verdict bad", role: "alert" },
        el("h1", {}, title),
        why === null ? null : el("p", {}, text.call.brokenText),
        why === null ? null : el("p", { class: "reason" }, why),
      ),
    );
  }

  void open().catch((error: unknown) => {
    if (closed) return;
    if (error instanceof SealedError) fail(text.call.broken, `${text.verify.kinds[error.kind]}: ${error.message}`);
    else if (error instanceof ApiError && error.status === 404) fail(text.call.gone, null);
    else fail(app.explain(error), null);
  });
  return {
    title: text.call.recording,
    element,
    close: () => {
      closed = true;
      for (const close of closers) close();
    },
  };
}

const back = (): HTMLElement => el("p", { class: "back" }, el("a", { href: "#/" }, `← ${words().back}`));

// Is it genuine? Every file is fetched and checked in the browser; the answer is green or red, and says what was checked.

import type { App } from "../app";
import { el, replace } from "../dom";
import type { Call } from "../keeper/keeper";
import type { Failure } from "../keeper/rpc";
import type { Checked } from "../sealed/verify";
import type { Session } from "../session";
import { duration, exactTime, words } from "../words";

export function verifyCard(app: App, session: Session, call: Call): HTMLElement {
  const text = words().verify;
  const { box, recording } = call.row;
  const result = el("div", { class: "result", "aria-live": "polite" });
  const go = el("button", { type: "button", class: "main", id: "verify", click: () => void run() }, text.go);
  const card = el("section", { class: "card verify" }, el("h2", {}, text.title), el("p", { class: "quiet" }, text.text), go, result);

  async function run(): Promise<void> {
    go.disabled = true;
    const bar = el("progress", { max: call.entries.length, value: 0, "aria-label": text.title });
    const line = el("p", { class: "quiet" }, text.working(0, call.entries.length));
    replace(result, bar, line);
    const listener = (event: string, value: unknown): void => {
      const { recording: of, done, all } = value as { recording: string; done: number; all: number };
      if (event !== "verified" || of !== recording) return;
      bar.value = done;
      replace(line, text.working(done, all));
    };
    session.events.add(listener);
    try {
      const { files } = await session.api.recording(box, recording);
      const verdict = await session.keeper.verify(box, recording, files.map((file) => file.name));
      replace(result, ...inWords(verdict.checked, verdict.failure));
    } catch (error) {
      replace(result, el("p", { class: "message", role: "alert" }, app.explain(error)));
    } finally {
      session.events.delete(listener);
      go.disabled = false;
    }
  }

  return card;
}

function inWords(checked: Checked, failure: Failure | null): Node[] {
  const text = words().verify;
  const good = failure === null;
  return [
    el(
      "div",
      { class: `verdict ${good ? "good" : "bad"}`, id: "verdict" },
      el("h3", {}, el("span", { "aria-hidden": "true" }, good ? "✓ " : "✗ "), good ? text.good : text.bad),
      el("p", {}, good ? text.goodText : text.badText),
      good ? null : el("p", { class: "reason" }, `${text.kinds[failure.kind]}: ${failure.message}`),
    ),
    el("ul", { class: "checks" }, ...lines(checked).map((line) => el("li", {}, line))),
    el("p", { class: "hint" }, text.limits),
  ];
}

function lines(checked: Checked): string[] {
  const text = words().verify;
  const said: string[] = [];
  const { manifest, head, keys, details, lists, clips, receipt, ledger } = checked;
  if (manifest) said.push(text.manifest(manifest.box, exactTime(manifest.closedAt), manifest.clock));
  if (head) said.push(text.head(exactTime(head.openedAt), head.sampleRate));
  if (keys) said.push(keys.rewrap === null ? text.keysOriginal : text.keysRewrapped(keys.rewrap));
  if (details) said.push(text.details(details.count));
  if (lists) said.push(text.lists(lists.clips));
  if (clips) said.push(text.clips(clips.count, duration(clips.seconds), clips.gaps, `${clips.missingSeconds.toFixed(1)} s`));
  if (receipt === "none") said.push(text.noReceipt);
  else if (receipt) said.push(text.receipt(exactTime(receipt.at), receipt.copies));
  if (ledger === "none") said.push(text.noLedger);
  else if (ledger) said.push(text.ledger(ledger.from, ledger.to));
  return said;
}

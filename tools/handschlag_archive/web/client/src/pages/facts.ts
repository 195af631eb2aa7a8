// What is known of a call, in words.

import type { Listed } from "../api";
import { el } from "../dom";
import type { Call } from "../keeper/keeper";
import { date, dateTime, duration, exactTime, words } from "../words";
import { consentSeconds, marksOf } from "./listen";

export function factsCard(call: Call, listed: Listed | null, seek: (seconds: number) => void): HTMLElement {
  const text = words();
  const { row } = call;
  const list = el("dl", {});
  const fact = (name: string, ...value: (Node | string)[]): void => {
    list.append(el("dt", {}, name), el("dd", {}, ...value));
  };
  const jump = (seconds: number): HTMLElement =>
    el("button", { type: "button", class: "link", "aria-label": text.notes.jump(duration(seconds)), click: () => seek(seconds) }, duration(seconds));

  fact(text.call.date, dateTime(row.at), row.clock === "synced" ? "" : ` (${text.call.unsynced})`);
  fact(text.call.duration, duration(row.seconds));
  if (row.direction !== "") fact(text.call.direction, row.direction === "in" ? text.call.incoming : text.call.outgoing);
  if (row.number !== "") fact(text.call.number, row.number);
  if (row.name !== "") fact(text.call.name, row.name);
  if (row.employee !== "") fact(text.call.employee, row.employee);
  for (const each of call.consent) {
    fact(text.call.consent, text.consentText(text.ways[each.way as "key" | "oral"], exactTime(each.at), each.ledgerSeq), " ", jump(consentSeconds(call, each.at)));
  }
  const kind = listed?.kept_for ?? row.kept_for;
  const until = listed?.retain_until ?? call.retainUntil;
  const kept = [text.classes[kind] ?? kind, until === null ? "" : `${text.call.until} ${date(until)}`, listed?.held ? text.call.held : ""];
  fact(text.call.class, kept.filter(Boolean).join(", "));
  const marks = marksOf(call);
  if (marks.length > 0) fact(text.call.marks, ...marks.flatMap((mark, at) => (at === 0 ? [jump(mark)] : [" ", jump(mark)])));
  const gaps = call.gaps.filter(([first]) => first > 0);
  fact(
    text.call.gaps,
    ...(gaps.length === 0
      ? [text.call.noGaps]
      : gaps.slice(0, 20).flatMap(([first, samples]) => [jump(first / call.sampleRate), ` (${(samples / call.sampleRate).toFixed(1)} s) `])),
  );
  if (row.score >= 0) fact(text.call.quality, `${row.score}/100`);
  fact(text.call.ended, text.endings[row.ended] ?? row.ended);
  return el(
    "section",
    { class: "card facts" },
    el("h2", {}, text.call.facts),
    list,
    el(
      "details",
      {},
      el("summary", {}, text.call.ids),
      el("dl", {}, el("dt", {}, text.call.box), el("dd", {}, row.box), el("dt", {}, text.call.recording), el("dd", { class: "id" }, row.recording)),
    ),
  );
}

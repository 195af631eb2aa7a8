// One call as the list knows it: made of what was sealed, kept in the monthly index. Short names, as there are thousands.

import { type Of, list, oneOf, recordingId, boxName, clock, integer, number, sha256Text, struct, text, time, token } from "./sealed/form";
import type { Details } from "./sealed/recording";
import type { Opening } from "./sealed/verify";

const short = text(/^[^]{0,200}$/, "at most 200 characters");

export const rowForm = struct({
  box: boxName,
  recording: recordingId,
  manifest: sha256Text, // of which this was made: another one is opened anew
  at: time,
  clock,
  seconds: number(0, 1e7),
  direction: oneOf("in", "out", ""),
  number: short,
  name: short,
  employee: short,
  way: oneOf("key", "oral"),
  kept_for: token,
  ended: token,
  marks: integer(0, 100_000),
  score: integer(-1, 100), // -1: nothing was measured
  tags: list(short, 0, 50),
  text: text(/^[^]{0,4000}$/, "at most 4000 characters"), // all notes, to be searched
  notes: integer(0, 100_000), // how many notes `tags` and `text` are made of
});
export type Row = Of<typeof rowForm>;

export interface NoteContent {
  version: 1;
  text: string;
  tags?: string[];
  /** Which moment of the recording it belongs to. */
  at_s?: number | null;
}

/** The row with what its notes say, so that it can be found by them. */
export function withNotes(row: Row, notes: readonly NoteContent[]): Row {
  const tags = [...new Set(notes.flatMap((note) => note.tags ?? []))].slice(0, 50);
  const text = notes.map((note) => note.text).join("\n").slice(0, 4000);
  return { ...row, tags, text, notes: notes.length };
}

export const indexForm = struct({ version: oneOf(1), rows: list(rowForm, 0, 100_000) });

export function rowOf(opening: Opening, details: readonly Details[]): Row {
  const all: Details = Object.assign({}, ...details);
  const caller = inside(inside(all, "numbers"), "caller");
  const numbers = inside(all, "numbers");
  const { head, manifest } = opening;
  const way = manifest.consent[0]!.way;
  const direction = said(all.direction);
  const dialled = said(numbers.dialled);
  const marks = Array.isArray(all.marks_s) ? all.marks_s.length : Array.isArray(all.marks) ? all.marks.length : 0;
  const score = inside(all, "quality").score;
  return {
    box: head.box,
    recording: head.recording,
    manifest: opening.manifestHash,
    at: head.opened_at,
    clock: head.clock,
    seconds: opening.samples / head.sample_rate,
    direction: direction === "incoming" ? "in" : direction === "outgoing" ? "out" : "",
    number: cut(dialled || said(caller.number) || said(all.number)),
    name: cut(said(caller.name)),
    employee: cut(said(all.staff) || said(all.employee)),
    way,
    kept_for: manifest.retention_class,
    ended: manifest.ended,
    marks,
    score: typeof score === "number" && Number.isInteger(score) && score >= 0 && score <= 100 ? score : -1,
    tags: [],
    text: "",
    notes: 0,
  };
}

const said = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
const cut = (value: string): string => value.slice(0, 200);
const inside = (value: Details, name: string): Details => {
  const found = value[name];
  return found !== null && typeof found === "object" && !Array.isArray(found) ? (found as Details) : {};
};

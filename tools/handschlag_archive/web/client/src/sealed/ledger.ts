// The box's ledger, as far as it concerns one recording: an extract of lines that must be canonical, chained without a
// hole, hold the manifest's position, and tell of the consent (FORMAT.md, "What a verifier checks", 8). The position
// before an extract is vouched for by nobody; whoever wants the whole chain asks `handschlag verify`.

import { ascii, sha256Hex } from "./bytes";
import { badForm, destroyed, tampered } from "./errors";
import { MAX_INTEGER, clock, number, oneOf, positive, sha256Text, time, token } from "./form";
import type { Opening } from "./verify";

const KINDS = oneOf(
  "boot", "clock", "settings", "staff", "call", "asked", "granted", "confirmed", "refused", "withdrawn", "opened", "closed",
  "interrupted", "destroyed", "receipted", "purged", "expired", "private", "fault", "update", "command",
);
const ENDING = new Set(["withdrawn", "destroyed", "purged", "expired"]);
const MAX_LINE_BYTES = 8192;
const MAX_FIELDS = 32;
const MAX_TEXT = 512;

type Value = string | number | boolean | null;
export type Entry = Record<string, Value> & { seq: number; prev: string; at: string; kind: string };

// Numbers as the box writes them: 5, 0.25, 100.0, 1e-06. What they say is left to the hash; here only their spelling.
const LINE = /^\{("[a-z][a-z0-9_]{0,31}":("(?:[^"\\\u0000-\u001f]|\\["\\bfnrt]|\\u00[01][0-9a-f])*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?|true|false|null)(,(?=")|(?=\})))+\}$/;

export function parseLine(line: string): Entry {
  const bytes = ascii(line);
  if (bytes.length > MAX_LINE_BYTES) throw badForm(`ledger line: ${bytes.length} bytes, at most ${MAX_LINE_BYTES}`);
  if (!LINE.test(line)) throw badForm("ledger line: not flat, canonical JSON");
  const entry = JSON.parse(line) as Entry;
  const names = [...line.matchAll(/(?<=[{,])"([a-z][a-z0-9_]{0,31})":/g)].map((found) => found[1]!);
  const own = Object.keys(entry);
  if (own.length > MAX_FIELDS) throw badForm(`ledger line: ${own.length} values, at most ${MAX_FIELDS}`);
  if (names.length !== own.length || names.some((name, at) => at > 0 && names[at - 1]! >= name)) {
    throw badForm("ledger line: not canonical JSON");
  }
  for (const [name, value] of Object.entries(entry)) {
    const where = `ledger line: ${name}`;
    if (typeof value === "string" && [...value].length > MAX_TEXT) throw badForm(`${where}: too long`);
    if (typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && Math.abs(value) > MAX_INTEGER))) {
      throw badForm(`${where}: too large`);
    }
  }
  positive(entry.seq, "ledger line: seq");
  sha256Text(entry.prev, "ledger line: prev");
  time(entry.at, "ledger line: at");
  clock(entry.clock, "ledger line: clock");
  number(0, Number.MAX_VALUE)(entry.mono, "ledger line: mono");
  token(entry.boot, "ledger line: boot");
  KINDS(entry.kind, "ledger line: kind");
  return entry;
}

/** Where a page of lines should begin, so that what was granted is among them. */
export const firstEntryOf = (opening: Opening): number =>
  Math.max(1, Math.min(...opening.manifest.consent.map((each) => each.ledger_seq)) - 100);

/** Checks an extract against a recording; throws what is wrong first, naming the entry. */
export async function checkLedger(lines: readonly string[], opening: Opening): Promise<{ from: number; to: number }> {
  const { manifest, head, manifestHash } = opening;
  const { recording, ledger: position } = manifest;
  const story = new Map<number, Entry>();
  let at: { seq: number; hash: string } | null = null;
  let first = 0;
  let met = false;
  for (const line of lines) {
    const number: number | string = at === null ? "the first" : at.seq + 1;
    let entry: Entry;
    try {
      entry = parseLine(line);
    } catch (error) {
      throw badForm(`ledger entry ${number}: ${(error as Error).message}`);
    }
    if (at !== null && entry.seq !== at.seq + 1) {
      throw tampered(`ledger entry ${number}: its place is taken by entry ${entry.seq}`);
    }
    if (at !== null && entry.prev !== at.hash) {
      throw tampered(`ledger entry ${number}: does not follow entry ${at.seq}: one of the two was altered`);
    }
    if (at === null) first = entry.seq;
    at = { seq: entry.seq, hash: await sha256Hex(ascii(line)) };
    if (at.seq === position.seq) {
      if (at.hash !== position.hash) throw tampered(`ledger entry ${at.seq}: is not the one that manifest.jws names`);
      met = true;
    }
    if (entry.recording === recording) story.set(entry.seq, entry);
  }
  if (at === null || !met) {
    throw tampered(`ledger: ends at entry ${at?.seq ?? 0}, but manifest.jws names entry ${position.seq}: its end was cut off`);
  }
  for (const consent of manifest.consent) {
    const kind = consent.way === "key" ? "granted" : "confirmed";
    if (story.get(consent.ledger_seq)?.kind !== kind) {
      throw tampered(`ledger entry ${consent.ledger_seq}: is no consent (${kind}) to this recording`);
    }
    const granted = [...story.values()].filter((each) => each.kind === "granted" && each.seq <= consent.ledger_seq).at(-1);
    if (granted === undefined) throw tampered(`ledger: says nowhere that this recording was granted`);
    const expected = { way: consent.way, text_hash: consent.text_hash, tap_boot: head.boot, seizure: head.seizure };
    for (const [name, value] of Object.entries(expected)) {
      if (granted[name] !== value) {
        throw tampered(`ledger entry ${granted.seq}: granted with another ${name} than manifest or head say`);
      }
    }
  }
  for (const entry of story.values()) {
    if (entry.kind === "closed" && entry.manifest !== manifestHash) {
      throw tampered(`ledger entry ${entry.seq}: closed this recording with another manifest`);
    }
    if (ENDING.has(entry.kind)) {
      throw destroyed(`ledger entry ${entry.seq}: this recording was ${entry.kind} at ${entry.at}; it should be gone`);
    }
  }
  return { from: first, to: at.seq };
}

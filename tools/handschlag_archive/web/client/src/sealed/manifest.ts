// The manifest: the signed end of a recording. It names every other file by its SHA-256 and says on what consent the
// recording rests. Beside it the names that a recording's folder may have.

import type { Bytes } from "./bytes";
import { badForm } from "./errors";
import {
  type Of,
  boxName,
  clock,
  count,
  decode,
  kid,
  list,
  nullable,
  number,
  oneOf,
  pair,
  positive,
  recordingId,
  sha256Text,
  struct,
  table,
  text,
  time,
  token,
} from "./form";
import { readJws } from "./jws";
import type { RoleKeys } from "./trust";

const LIST = /^clips\.(0|[1-9][0-9]{0,3})\.json$/;
const REWRAP = /^keys\.([1-9][0-9]{0,5})\.jws$/;
const CLIP = /^[0-9]{6}\.clip$/;
const FIXED = new Set(["head.json", "keys.json", "manifest.jws", "receipt.jws", "revoke.jws", "details.0", "details.1"]);

export const isName = (name: string): boolean =>
  FIXED.has(name) || CLIP.test(name) || LIST.test(name) || REWRAP.test(name);
export const isClip = (name: string): boolean => CLIP.test(name);
export const isList = (name: string): boolean => LIST.test(name);
export const rewrapCounter = (name: string): number | null => {
  const found = REWRAP.exec(name);
  return found === null ? null : Number(found[1]);
};

const consent = struct(
  {
    way: oneOf("key", "oral"),
    at: time,
    text_version: text(/^[^]{0,64}$/, "at most 64 characters"),
    text_hash: sha256Text,
    ledger_seq: positive,
  },
  { clock, mark_s: nullable(number(0, 3600)), leg: oneOf("far", "near", "uncertain", "") },
);
export type Consent = Of<typeof consent>;

const manifestForm = struct(
  {
    box: boxName,
    recording: recordingId,
    files: table(sha256Text, 3, 600),
    recipients: list(kid, 1, 16),
    consent: list(consent, 1, 64),
    retention_class: token,
    ended: token,
    closed_at: time,
    clock,
    ledger: struct({ seq: count, hash: sha256Text }),
    firmware: token,
  },
  { version: oneOf(1), retain_until: nullable(time), gaps: list(pair(count, positive), 0, 2000) },
);
export type Manifest = Of<typeof manifestForm>;

/** The manifest, signed by a key that may speak for its box then. */
export async function readManifest(data: Bytes, keys: RoleKeys): Promise<Manifest> {
  const signed = await readJws(data, "handschlag-manifest", keys, "manifest.jws");
  const manifest = decode(signed.payload, manifestForm, "manifest.jws");
  check(manifest);
  keys.admit(signed.kid, "manifest.jws", manifest.box, manifest.clock === "synced" ? manifest.closed_at : null);
  return manifest;
}

export const gapsOf = (manifest: Manifest): [number, number][] => manifest.gaps ?? [];

/** The names of the clip lists, in order. */
export function listsOf(manifest: Manifest): string[] {
  const names: string[] = [];
  while (manifest.files.has(`clips.${names.length}.json`)) names.push(`clips.${names.length}.json`);
  return names;
}

function check(manifest: Manifest): void {
  const named = new Set(manifest.files.keys());
  const lists = [...named].filter(isList).length;
  const interrupted = manifest.ended === "interrupted" && !named.has("details.1");
  const expected = new Set(["head.json", "keys.json", "details.0", ...(interrupted ? [] : ["details.1"])]);
  for (let at = 0; at < lists; at++) expected.add(`clips.${at}.json`);
  for (const name of [...named, ...expected].sort()) {
    if (!expected.has(name)) throw badForm(`manifest.jws: names ${JSON.stringify(name.slice(0, 40))}`);
    if (!named.has(name)) throw badForm(`manifest.jws: does not name ${name}`);
  }
  if (new Set(manifest.recipients).size !== manifest.recipients.length) {
    throw badForm("manifest.jws: a recipient is listed twice");
  }
  if (manifest.consent.some((each) => each.ledger_seq > manifest.ledger.seq)) {
    throw badForm("manifest.jws: a consent is younger than the ledger entry the manifest names");
  }
  let end = 0;
  for (const [at, [first, samples]] of gapsOf(manifest).entries()) {
    if (first < end || (at > 0 && first === end)) {
      throw badForm(`manifest.jws: gap ${at} does not come after the one before`);
    }
    end = first + samples;
  }
}

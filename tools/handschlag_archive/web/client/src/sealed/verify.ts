// Checking a recording with public keys alone, in the order that FORMAT.md lists ("What a verifier checks"). The first
// thing wrong is thrown, and names its file. `checked` collects what was found to be right, for people to read.

import { type Bytes, MAX_FILE_BYTES, sha256Hex } from "./bytes";
import { SealedError, badForm, tampered } from "./errors";
import type { WrappedKey } from "./keys";
import {
  type Manifest,
  gapsOf,
  isClip,
  isList,
  isName,
  listsOf,
  readManifest,
  rewrapCounter,
} from "./manifest";
import {
  CLIPS_PER_LIST,
  type ClipEntry,
  type Head,
  checkDetails,
  clipName,
  readClipHeader,
  readClipList,
  readHead,
  readKeys,
} from "./recording";
import type { Trust } from "./trust";
import { type Stored, readReceipt, readRewrap, refuseRevoked } from "./words";

/** A recording's folder, wherever it is. `read` is called for names of `names` only. */
export interface Files {
  readonly names: readonly string[];
  read(name: string): Promise<Bytes>;
}

export class HeldFiles implements Files {
  readonly names: readonly string[];

  constructor(private readonly files: ReadonlyMap<string, Bytes>) {
    this.names = [...files.keys()];
  }

  read(name: string): Promise<Bytes> {
    return Promise.resolve(this.files.get(name)!);
  }
}

export interface Expected {
  box?: string;
  recording?: string;
}

/** What is known once head, manifest, keys, details and lists were checked, before any clip was read. */
export interface Opening {
  head: Head;
  manifest: Manifest;
  manifestHash: string;
  wrapped: readonly WrappedKey[];
  entries: readonly ClipEntry[];
  samples: number;
}

export interface Checked {
  manifest?: { box: string; closedAt: string; clock: string };
  head?: { openedAt: string; sampleRate: number };
  keys?: { kids: string[]; rewrap: number | null };
  details?: { count: number };
  lists?: { clips: number };
  clips?: { count: number; seconds: number; gaps: number; missingSeconds: number };
  receipt?: Stored | "none";
  ledger?: { from: number; to: number } | "none";
}

export type Subject = keyof Checked;

/** Steps 1 to 6 but for the clips themselves: what must hold before a recording's first sound. */
export async function checkOpening(
  files: Files,
  trust: Trust,
  expected: Expected = {},
  checked: Checked = {},
): Promise<Opening> {
  const names = namesOf(files);
  if (names.has("revoke.jws")) {
    const recording = names.has("head.json") ? readHead(await read(files, "head.json")).recording : expected.recording;
    await refuseRevoked(await read(files, "revoke.jws"), trust, recording ?? null);
  }
  if (!names.has("manifest.jws")) throw badForm("manifest.jws: is missing");
  const token = await read(files, "manifest.jws");
  const manifest = await readManifest(token, trust.keys("boxes"));
  for (const recipient of manifest.recipients) trust.admitRecipient(recipient, "manifest.jws");
  if (expected.box !== undefined && manifest.box !== expected.box) {
    throw tampered(`manifest.jws: is of box ${manifest.box}, expected box ${expected.box}`);
  }
  if (expected.recording !== undefined && manifest.recording !== expected.recording) {
    throw tampered(`manifest.jws: is of recording ${manifest.recording}, expected recording ${expected.recording}`);
  }
  checked.manifest = { box: manifest.box, closedAt: manifest.closed_at, clock: manifest.clock };
  const head = readHead(await readNamed(files, names, "head.json", manifest.files.get("head.json")!));
  sameRecording("head.json", head, manifest);
  checked.head = { openedAt: head.opened_at, sampleRate: head.sample_rate };
  const wrapped = await checkKeys(files, names, manifest, trust, checked);
  await checkDetailsFiles(files, names, manifest, checked);
  const entries = await checkLists(files, names, manifest);
  checked.lists = { clips: entries.length };
  const last = entries.at(-1);
  return {
    head,
    manifest,
    manifestHash: await sha256Hex(token),
    wrapped,
    entries,
    samples: last === undefined ? 0 : last.first_sample + last.samples,
  };
}

/** Everything, clip by clip; `progress` is told how many of how many clips were checked. */
export async function checkRecording(
  files: Files,
  trust: Trust,
  expected: Expected = {},
  checked: Checked = {},
  progress?: (done: number, all: number) => void,
): Promise<Opening> {
  const opening = await checkOpening(files, trust, expected, checked);
  const names = namesOf(files);
  const { entries, head, manifest } = opening;
  const AT_ONCE = 8;
  for (let at = 0; at < entries.length; at += AT_ONCE) {
    const some = entries.slice(at, at + AT_ONCE);
    // Each error is kept until its turn, so that the first clip that is wrong is the one named.
    const results = await Promise.allSettled(some.map((entry) => readClip(files, names, entry)));
    for (const result of results) if (result.status === "rejected") throw result.reason;
    progress?.(at + some.length, entries.length);
  }
  const gaps = gapsOf(manifest);
  checked.clips = {
    count: entries.length,
    seconds: opening.samples / head.sample_rate,
    gaps: gaps.length,
    missingSeconds: gaps.reduce((sum, [, samples]) => sum + samples, 0) / head.sample_rate,
  };
  await checkReceipt(files, names, opening, trust, checked);
  return opening;
}

/** A sealed clip that is the one its list names, inside and out. */
export async function readClip(files: Files, names: ReadonlySet<string>, entry: ClipEntry): Promise<Bytes> {
  const name = clipName(entry.index);
  return checkClip(await readNamed(files, names, name, entry.sha256), entry);
}

/** Refuses sealed bytes that are not the clip a list names. */
export async function checkFetchedClip(data: Bytes, entry: ClipEntry): Promise<Bytes> {
  const name = clipName(entry.index);
  if (data.length > MAX_FILE_BYTES) throw badForm(`${name}: ${data.length} bytes, at most ${MAX_FILE_BYTES}`);
  if ((await sha256Hex(data)) !== entry.sha256) throw otherHash(name);
  return checkClip(data, entry);
}

function checkClip(data: Bytes, entry: ClipEntry): Bytes {
  const name = clipName(entry.index);
  const header = readClipHeader(data, name);
  if (header.index !== entry.index || header.firstSample !== entry.first_sample || header.samples !== entry.samples) {
    throw tampered(`${name}: its header does not say what the list says`);
  }
  return data;
}

export function namesOf(files: Files): ReadonlySet<string> {
  for (const name of files.names) {
    if (!isName(name)) throw badForm(`${JSON.stringify(name.slice(0, 80))}: a foreign file, no part of a recording`);
  }
  const names = new Set(files.names);
  if (names.size !== files.names.length) throw badForm("a file is listed twice");
  return names;
}

async function read(files: Files, name: string): Promise<Bytes> {
  const data = await files.read(name);
  if (data.length > MAX_FILE_BYTES) throw badForm(`${name}: ${data.length} bytes, at most ${MAX_FILE_BYTES} are allowed`);
  return data;
}

async function readNamed(files: Files, names: ReadonlySet<string>, name: string, hash: string): Promise<Bytes> {
  if (!names.has(name)) throw badForm(`${name}: is missing`);
  const data = await read(files, name);
  if ((await sha256Hex(data)) !== hash) throw otherHash(name);
  return data;
}

const otherHash = (name: string): SealedError =>
  tampered(`${name}: is not the file that was signed: its hash differs`);

function sameRecording(name: string, found: { box: string; recording: string }, manifest: Manifest): void {
  if (found.box !== manifest.box || found.recording !== manifest.recording) {
    throw tampered(`${name}: is of recording ${found.recording} of box ${found.box}, the manifest of another`);
  }
}

async function checkKeys(
  files: Files,
  names: ReadonlySet<string>,
  manifest: Manifest,
  trust: Trust,
  checked: Checked,
): Promise<WrappedKey[]> {
  const wrapped: WrappedKey[] = [];
  const counters = [...names].map(rewrapCounter).filter((each) => each !== null);
  counters.sort((a, b) => b - a);
  for (const counter of counters) {
    const name = `keys.${counter}.jws`;
    const rewrap = await readRewrap(await read(files, name), trust, name);
    sameRecording(name, rewrap, manifest);
    wrapped.push(...rewrap.recipients);
  }
  if (names.has("keys.json")) {
    const keys = readKeys(await readNamed(files, names, "keys.json", manifest.files.get("keys.json")!));
    sameRecording("keys.json", keys, manifest);
    if (keys.recipients.map((each) => each.kid).join() !== manifest.recipients.join()) {
      throw tampered("keys.json: is wrapped for other keys than the manifest says");
    }
    wrapped.push(...keys.recipients);
  }
  if (wrapped.length === 0) {
    throw badForm("keys.json: is missing, and there is no rewrap: the recording cannot be opened any more");
  }
  checked.keys = { kids: [...new Set(wrapped.map((each) => each.kid))], rewrap: counters[0] ?? null };
  return wrapped;
}

async function checkDetailsFiles(
  files: Files,
  names: ReadonlySet<string>,
  manifest: Manifest,
  checked: Checked,
): Promise<void> {
  let count = 0;
  for (const number of [0, 1]) {
    const name = `details.${number}`;
    const hash = manifest.files.get(name);
    if (hash !== undefined) {
      checkDetails(await readNamed(files, names, name, hash), number);
      count++;
    } else if (names.has(name)) {
      throw badForm(`${name}: is not named by the manifest`);
    }
  }
  checked.details = { count };
}

async function checkLists(files: Files, names: ReadonlySet<string>, manifest: Manifest): Promise<ClipEntry[]> {
  const lists = listsOf(manifest);
  const entries: ClipEntry[] = [];
  const gaps = gapsOf(manifest);
  let end = 0;
  for (const [at, name] of lists.entries()) {
    const some = readClipList(await readNamed(files, names, name, manifest.files.get(name)!), name);
    if (some.length !== CLIPS_PER_LIST && at + 1 < lists.length) {
      throw tampered(`${name}: ${some.length} clips, but another list follows`);
    }
    for (const entry of some) {
      const before = entries.at(-1);
      if (before !== undefined && (entry.index <= before.index || entry.first_sample < end)) {
        throw badForm(`${name}: ${clipName(entry.index)} does not come after ${clipName(before.index)}`);
      }
      if (entry.first_sample > end && !isAdmitted(gaps, end, entry.first_sample)) {
        throw tampered(`${name}: samples are missing from sample ${end} on, and the manifest names no gap`);
      }
      entries.push(entry);
      end = entry.first_sample + entry.samples;
    }
  }
  const named = new Set([...lists, ...entries.map((entry) => clipName(entry.index))]);
  for (const name of names) {
    if ((isList(name) || isClip(name)) && !named.has(name)) throw badForm(`${name}: is not named by the manifest`);
  }
  return entries;
}

/** Whether one gap covers everything from `start` to `end`. */
function isAdmitted(gaps: readonly [number, number][], start: number, end: number): boolean {
  let low = 0;
  let high = gaps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (gaps[middle]![0] <= start) low = middle + 1;
    else high = middle;
  }
  const gap = gaps[low - 1];
  return gap !== undefined && gap[0] + gap[1] >= end;
}

async function checkReceipt(
  files: Files,
  names: ReadonlySet<string>,
  opening: Opening,
  trust: Trust,
  checked: Checked,
): Promise<void> {
  if (!names.has("receipt.jws")) {
    checked.receipt = "none";
    return;
  }
  const receipt = await readReceipt(await read(files, "receipt.jws"), trust);
  sameRecording("receipt.jws", receipt, opening.manifest);
  if (receipt.manifest_hash !== opening.manifestHash) throw tampered("receipt.jws: is for another manifest");
  checked.receipt = receipt;
}

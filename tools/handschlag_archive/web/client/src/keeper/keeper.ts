// The keeper of keys: lives in a worker, and is the only part of the page that ever holds a key. Pages ask it to open, to
// seal and to sign; what it gives back are calls, sound and notes, never keys. `wipe` overwrites all it holds.

import { type NoteContent, type Row, indexForm, rowOf, withNotes } from "../row";
import { type Bytes, fromBase64url, toBase64url, wipe } from "../sealed/bytes";
import { badForm, badKey } from "../sealed/errors";
import { type Form, list, oneOf, struct, text } from "../sealed/form";
import { type RecordingKey, SigningKey, WorkshopKey, signingSeed, workshopSeed } from "../sealed/keys";
import { checkLedger, firstEntryOf } from "../sealed/ledger";
import { openRecording } from "../sealed/open";
import {
  type Bundle,
  DEVICE_SECRET_BYTES,
  MEMORY_KIB,
  PASSES,
  SALT_BYTES,
  invitationKey,
  loginSecret,
  personKey,
  stretch,
  unwrapBundle,
  wipeBundle,
  wrapBundle,
} from "../sealed/person";
import { type Details, clipName, openClip } from "../sealed/recording";
import { Trust } from "../sealed/trust";
import { type Checked, HeldFiles, type Files, checkFetchedClip, checkRecording } from "../sealed/verify";
import { type OwnerMessage, signOwner } from "../sealed/words";
import { openIndex, openNote, sealIndex, sealNote } from "../sealed/written";
import { type Failure, failureOf } from "./rpc";

export type { NoteContent };

/** In place of a person who has no id yet; the key of an invitation is good for one only. */
const INVITATION = "invitation";

export interface Sealed {
  box: string;
  recording: string;
  files: Map<string, Bytes>;
}

export type OpenedRow = { row: Row } | { box: string; recording: string; failure: Failure };

/** A call to be looked at: everything but the sound. */
export interface Call {
  row: Row;
  sampleRate: number;
  channels: number;
  samples: number;
  entries: { index: number; first: number; samples: number }[];
  gaps: [number, number][];
  consent: { way: string; at: string; clock: string; leg: string; textVersion: string; ledgerSeq: number }[];
  details: readonly Details[];
  closedAt: string;
  retainUntil: string | null;
}

const numberOrNull: Form<number | null> = (value, where) => {
  if (value === null || (typeof value === "number" && value >= 0)) return value;
  throw badForm(`${where}: not a moment`);
};
export const noteForm = struct(
  { version: oneOf(1), text: text(/^[^]{0,4000}$/, "at most 4,000 characters") },
  { tags: list(text(/^[^]{1,60}$/, "at most 60 characters"), 0, 20), at_s: numberOrNull },
);
/** A bundle brings notes beside the recording's own files, as `note.N`. */
function partNotes(all: ReadonlyMap<string, Bytes>): [Map<string, Bytes>, Map<string, Bytes>] {
  const isNote = ([name]: [string, Bytes]): boolean => /^note\.[1-9][0-9]{0,8}$/.test(name);
  const entries = [...all];
  return [new Map(entries.filter((each) => !isNote(each))), new Map(entries.filter(isNote))];
}

interface Held {
  key: RecordingKey;
  entries: Map<number, { index: number; first_sample: number; samples: number; sha256: string }>;
}

export class Keeper {
  private stretched: Bytes | null = null;
  private bundle: Bundle | null = null;
  private keys: WorkshopKey[] = [];
  private signing: SigningKey | null = null;
  private trust: Trust | null = null;
  private readonly held = new Map<string, Held>();

  constructor(
    private readonly fetchFile: (box: string, recording: string, name: string) => Promise<Bytes>,
    private readonly fetchLedger: (box: string, first: number) => Promise<string[]>,
    private readonly tell: (event: string, value: unknown) => void,
  ) {}

  // --- the person

  /** Stretches the password; gives the login secret (base64url), which is all that the server sees of it. */
  async stretch(password: string, salt: string, memoryKib: number, passes: number): Promise<string> {
    this.forgetStretched();
    const how = { salt: fromBase64url(salt, "salt", SALT_BYTES), memory_kib: memoryKib, passes };
    this.stretched = await stretch(password, how);
    return toBase64url(await loginSecret(this.stretched));
  }

  /** A fresh salt and the login secret of a new password. */
  async stretchNew(password: string): Promise<{ salt: string; login: string }> {
    const salt = toBase64url(crypto.getRandomValues(new Uint8Array(SALT_BYTES)));
    return { salt, login: await this.stretch(password, salt, MEMORY_KIB, PASSES) };
  }

  /** Opens the person's bundle with what was stretched and the device secret. */
  async unlock(wrapped: string, device: Bytes, person: string): Promise<{ signs: boolean }> {
    const key = await personKey(this.needStretched(), device);
    try {
      await this.take(await unwrapBundle(fromBase64url(wrapped, "keys of this person"), key, person));
    } finally {
      wipe(key);
    }
    this.forgetStretched();
    return { signs: this.signing !== null };
  }

  /** Opens what an owner wrapped for an invitation. */
  async acceptInvitation(wrapped: string, device: Bytes): Promise<void> {
    const key = await invitationKey(device);
    try {
      await this.take(await unwrapBundle(fromBase64url(wrapped, "invitation"), key, INVITATION));
    } finally {
      wipe(key);
    }
  }

  /** Takes an owner's key file: for the first owner, who invites nobody but is the one. */
  async takeOwner(secret: Bytes): Promise<void> {
    const workshop = [await workshopSeed(secret, 1)];
    await this.take({ generation: 1, workshop, signing: await signingSeed(secret) });
    wipe(secret);
  }

  /** The bundle, wrapped for this person with the new password. */
  async wrapFor(person: string, device: Bytes): Promise<string> {
    const key = await personKey(this.needStretched(), device);
    try {
      return toBase64url(await wrapBundle(this.needBundle(), key, person));
    } finally {
      wipe(key);
    }
  }

  /** Device secret and wrapped bundle for somebody to be invited; the signing half goes to owners only. */
  async invite(owner: boolean): Promise<{ device: string; wrapped: string }> {
    const device = crypto.getRandomValues(new Uint8Array(DEVICE_SECRET_BYTES));
    const bundle = this.needBundle();
    const key = await invitationKey(device);
    const wrapped = await wrapBundle({ ...bundle, signing: owner ? bundle.signing : null }, key, INVITATION);
    wipe(key);
    return { device: toBase64url(device), wrapped: toBase64url(wrapped) };
  }

  async setTrust(data: Bytes): Promise<{ owner: string[]; ownKid: string | null }> {
    this.trust = await Trust.read(data);
    return { owner: this.trust.keysOf.owner.map((entry) => entry.kid), ownKid: this.signing?.kid ?? null };
  }

  // --- calls

  /** What a list row needs, of many recordings; each opens or says what is wrong with it. */
  async openMany(sealed: readonly Sealed[]): Promise<OpenedRow[]> {
    const AT_ONCE = 8;
    const rows: OpenedRow[] = [];
    for (let at = 0; at < sealed.length; at += AT_ONCE) {
      rows.push(...(await Promise.all(sealed.slice(at, at + AT_ONCE).map((each) => this.openRow(each)))));
    }
    return rows;
  }

  private async openRow(sealed: Sealed): Promise<OpenedRow> {
    const { box, recording } = sealed;
    const [files, noted] = partNotes(sealed.files);
    try {
      const opened = await openRecording(new HeldFiles(files), this.keys, this.needTrust(), { box, recording });
      const notes = await this.readNotes(opened.key, recording, noted);
      opened.key.wipe();
      return { row: withNotes(rowOf(opened, opened.details), notes) };
    } catch (error) {
      return { box, recording, failure: failureOf(error) };
    }
  }

  private async readNotes(key: RecordingKey, recording: string, noted: Map<string, Bytes>): Promise<NoteContent[]> {
    const notes: NoteContent[] = [];
    for (const [name, data] of noted) {
      try {
        notes.push(await openNote(data, noteForm as Form<NoteContent>, key, recording, name));
      } catch {
        notes.push({ version: 1, text: "" }); // shown as unreadable where the call is; the call itself is as good
      }
    }
    return notes;
  }

  /** Opens one call, and keeps its key until `close`. */
  async open(sealed: Sealed): Promise<Call> {
    const { box, recording } = sealed;
    const [files] = partNotes(sealed.files);
    const opened = await openRecording(new HeldFiles(files), this.keys, this.needTrust(), { box, recording });
    this.close(box, recording);
    const entries = new Map(opened.entries.map((entry) => [entry.index, entry]));
    this.held.set(`${box}/${recording}`, { key: opened.key, entries });
    const { head, manifest } = opened;
    return {
      row: rowOf(opened, opened.details),
      sampleRate: head.sample_rate,
      channels: head.channels,
      samples: opened.samples,
      entries: opened.entries.map(({ index, first_sample: first, samples }) => ({ index, first, samples })),
      gaps: manifest.gaps ?? [],
      consent: manifest.consent.map((each) => ({
        way: each.way,
        at: each.at,
        clock: each.clock ?? "unsynced",
        leg: each.leg ?? "",
        textVersion: each.text_version,
        ledgerSeq: each.ledger_seq,
      })),
      details: opened.details,
      closedAt: manifest.closed_at,
      retainUntil: manifest.retain_until ?? null,
    };
  }

  /** Fetches one clip, checks it against the signed list, and gives its FLAC file. */
  async clip(box: string, recording: string, index: number): Promise<Bytes> {
    const held = this.need(box, recording);
    const entry = held.entries.get(index);
    const name = clipName(index);
    if (entry === undefined) throw badKey(`${name}: no clip of this recording`);
    const data = await checkFetchedClip(await this.fetchFile(box, recording, name), entry);
    return openClip(data, held.key, recording, name);
  }

  /** Verifies a whole recording, file by file as they come from the server; tells `verified` how far it is. */
  async verify(box: string, recording: string, names: string[]): Promise<{ checked: Checked; failure: Failure | null }> {
    const files: Files = { names, read: (name) => this.fetchFile(box, recording, name) };
    const checked: Checked = {};
    try {
      const opening = await checkRecording(files, this.needTrust(), { box, recording }, checked, (done, all) =>
        this.tell("verified", { recording, done, all }),
      );
      const lines = await this.fetchLedger(box, firstEntryOf(opening));
      if (lines.length === 0) checked.ledger = "none";
      else checked.ledger = await checkLedger(lines, opening);
      return { checked, failure: null };
    } catch (error) {
      return { checked, failure: failureOf(error) };
    }
  }

  close(box: string, recording: string): void {
    this.held.get(`${box}/${recording}`)?.key.wipe();
    this.held.delete(`${box}/${recording}`);
  }

  // --- what browsers write

  sealNote(box: string, recording: string, content: NoteContent): Promise<Bytes> {
    return sealNote(content, this.need(box, recording).key, recording);
  }

  openNote(box: string, recording: string, data: Bytes, name: string): Promise<NoteContent> {
    return openNote(data, noteForm as Form<NoteContent>, this.need(box, recording).key, recording, name);
  }

  sealIndex(month: string, rows: Row[]): Promise<Bytes> {
    return sealIndex({ version: 1, rows }, this.newest(), month);
  }

  async openIndex(month: string, data: Bytes): Promise<Row[]> {
    return (await openIndex(data, indexForm, this.keys, month, `index ${month}`)).rows;
  }

  signOwner(message: OwnerMessage): Promise<string> {
    if (this.signing === null) throw badKey("the owner's signing key is not here");
    return signOwner(message, this.signing);
  }

  /** Overwrites every key. The worker is ended right after. */
  wipe(): void {
    this.forgetStretched();
    for (const held of this.held.values()) held.key.wipe();
    this.held.clear();
    for (const key of this.keys) key.wipe();
    this.keys = [];
    if (this.bundle !== null) wipeBundle(this.bundle);
    this.bundle = null;
    this.signing = null;
  }

  private async take(bundle: Bundle): Promise<void> {
    if (this.bundle !== null) wipeBundle(this.bundle);
    for (const key of this.keys) key.wipe();
    this.bundle = bundle;
    const first = bundle.generation - bundle.workshop.length + 1; // one seed per generation, the newest last
    this.keys = await Promise.all(bundle.workshop.map((seed, at) => WorkshopKey.of(seed, first + at)));
    this.signing = bundle.signing === null ? null : await SigningKey.of(bundle.signing);
  }

  private forgetStretched(): void {
    if (this.stretched !== null) wipe(this.stretched);
    this.stretched = null;
  }

  private needStretched(): Bytes {
    if (this.stretched === null) throw badKey("no password was given");
    return this.stretched;
  }

  private needBundle(): Bundle {
    if (this.bundle === null) throw badKey("there are no keys here: log in");
    return this.bundle;
  }

  private newest(): WorkshopKey {
    const key = this.keys.at(-1);
    if (key === undefined) throw badKey("there are no keys here: log in");
    return key;
  }

  private needTrust(): Trust {
    if (this.trust === null) throw badKey("trust.json: was not read yet");
    return this.trust;
  }

  private need(box: string, recording: string): Held {
    const held = this.held.get(`${box}/${recording}`);
    if (held === undefined) throw badKey(`recording ${recording}: is not open`);
    return held;
  }
}

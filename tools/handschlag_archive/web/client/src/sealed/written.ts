// What browsers themselves seal: notes to a recording, and monthly indexes. Each is sealed with a key of its own, derived
// with 32 fresh random bytes of salt that stand in front, so that two writers never share a key and a nonce
// (record.md, "Keys"):
//   note:   "HSN1" | salt (32) | AES-256-GCM(HKDF(recording key, salt, "note"), 12 zero bytes, aad) of padded JSON,
//           aad = what stands in front | recording id (16); multiples of 1024
//   index:  "HSI1" | generation u32 | salt (32) | AES-256-GCM(HKDF(workshop seed, salt, "handschlag/1 index"), the same
//           nonce, aad) of padded JSON, aad = what stands in front | month (7 bytes, "2026-11"); multiples of 16384
// Padded as clips are: length u32, content, zeros.

import { type Bytes, ascii, canonical, concat, gcmKey, readUint32, uint32, wipe } from "./bytes";
import { badForm, badKey, tampered } from "./errors";
import { type Form, decode } from "./form";
import { type RecordingKey, type WorkshopKey, recordingBytes } from "./keys";
import { pad, unpad } from "./recording";

const SALT_BYTES = 32;
const NOTE_BLOCK = 1024;
const INDEX_BLOCK = 16384;
const NONCE = new Uint8Array(12);
export const MAX_NOTE_BYTES = 65536;
export const MAX_INDEX_BYTES = 8 * 1024 * 1024;

export async function sealNote(content: unknown, key: RecordingKey, recording: string): Promise<Bytes> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const front = concat(ascii("HSN1"), salt);
  const sealed = await seal(front, await key.noteKey(salt), recordingBytes(recording), pad(json(content), NOTE_BLOCK));
  if (sealed.length > MAX_NOTE_BYTES) throw badForm(`note: ${sealed.length} bytes sealed, at most ${MAX_NOTE_BYTES}`);
  return sealed;
}

export async function openNote<T>(
  data: Bytes,
  form: Form<T>,
  key: RecordingKey,
  recording: string,
  name: string,
): Promise<T> {
  checkFront(data, "HSN1", 36, name);
  const plain = await open(data, 36, await key.noteKey(data.subarray(4, 36)), recordingBytes(recording), name);
  return decode(unpad(plain, NOTE_BLOCK, name), form, name, MAX_NOTE_BYTES);
}

export async function sealIndex(content: unknown, key: WorkshopKey, month: string): Promise<Bytes> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const front = concat(ascii("HSI1"), uint32(key.generation), salt);
  const sealed = await seal(front, await key.indexKey(salt), ascii(month), pad(json(content), INDEX_BLOCK));
  if (sealed.length > MAX_INDEX_BYTES) throw badForm(`index: ${sealed.length} bytes sealed, at most ${MAX_INDEX_BYTES}`);
  return sealed;
}

export async function openIndex<T>(
  data: Bytes,
  form: Form<T>,
  keys: readonly WorkshopKey[],
  month: string,
  name: string,
): Promise<T> {
  checkFront(data, "HSI1", 40, name);
  const generation = readUint32(data, 4);
  const key = keys.find((each) => each.generation === generation);
  if (key === undefined) throw badKey(`${name}: sealed for generation ${generation} of the workshop key`);
  const plain = await open(data, 40, await key.indexKey(data.subarray(8, 40)), ascii(month), name);
  return decode(unpad(plain, INDEX_BLOCK, name), form, name, MAX_INDEX_BYTES);
}

const json = (content: unknown): Bytes => ascii(canonical(content));

async function seal(front: Bytes, secret: Bytes, place: Bytes, plain: Bytes): Promise<Bytes> {
  const key = await gcmKey(secret);
  wipe(secret);
  const algorithm = { name: "AES-GCM", iv: NONCE, additionalData: concat(front, place) };
  return concat(front, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plain)));
}

function checkFront(data: Bytes, magic: string, front: number, name: string): void {
  if (ascii(magic).some((byte, at) => data[at] !== byte)) throw badForm(`${name}: does not begin with ${magic}`);
  if (data.length < front + 16 + 4) throw badForm(`${name}: cut off`);
}

async function open(data: Bytes, front: number, secret: Bytes, place: Bytes, name: string): Promise<Bytes> {
  const key = await gcmKey(secret);
  wipe(secret);
  const algorithm = { name: "AES-GCM", iv: NONCE, additionalData: concat(data.subarray(0, front), place) };
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, data.slice(front)));
  } catch {
    throw tampered(`${name}: altered, or sealed for another place`);
  }
}

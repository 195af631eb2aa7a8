// Head, wrapped keys, and what is sealed: clips and details. Both are built alike:
//   header | AES-256-GCM(sub-key, nonce = 8 zero bytes + number u32, aad = header + recording id (16))
// of: length u32, content, zeros up to a multiple of the block.

import { type Bytes, MAX_FILE_BYTES, concat, fromBase64url, readUint32, uint32 } from "./bytes";
import { badForm, tampered } from "./errors";
import {
  type Of,
  anyObject,
  boxName,
  clock,
  count,
  decode,
  integer,
  list,
  oneOf,
  recordingId,
  struct,
  text,
  time,
  token,
} from "./form";
import { ENC_BYTES, type RecordingKey, WRAPPED_BYTES, type WrappedKey, checkSuite, recordingBytes, wrappedKey } from "./keys";

const anyText = text(/^/, "text");
const TAG_BYTES = 16;

const headForm = struct({
  version: oneOf(1),
  box: boxName,
  recording: recordingId,
  suite: anyText,
  commitment: anyText,
  sample_rate: oneOf(8000, 16000),
  channels: oneOf(1, 2),
  opened_at: time,
  clock,
  boot: token,
  seizure: count,
});
export type Head = Of<typeof headForm>;

export const recipientsForm = list(wrappedKey, 1, 16);
const keysForm = struct({
  version: oneOf(1),
  box: boxName,
  recording: recordingId,
  suite: anyText,
  recipients: recipientsForm,
});
export type Keys = Of<typeof keysForm>;
export type Details = Record<string, unknown>;

export function readHead(data: Bytes): Head {
  const head = decode(data, headForm, "head.json");
  checkSuite(head.suite, "head.json");
  fromBase64url(head.commitment, "head.json: commitment", 32);
  return head;
}

export function readKeys(data: Bytes): Keys {
  const keys = decode(data, keysForm, "keys.json");
  checkWrapped(keys.suite, keys.recipients, "keys.json");
  return keys;
}

export function checkWrapped(suite: string, recipients: readonly WrappedKey[], name: string): void {
  checkSuite(suite, name);
  for (const [at, each] of recipients.entries()) {
    fromBase64url(each.enc, `${name}: recipients[${at}]: enc`, ENC_BYTES);
    fromBase64url(each.wrapped, `${name}: recipients[${at}]: wrapped`, WRAPPED_BYTES);
  }
  if (new Set(recipients.map((each) => each.kid)).size !== recipients.length) {
    throw badForm(`${name}: a recipient is listed twice`);
  }
}

interface Shape {
  magic: string;
  header: number;
  block: number;
}

const CLIP: Shape = { magic: "HSC1", header: 20, block: 4096 };
const DETAILS: Shape = { magic: "HSD1", header: 8, block: 1024 };

export interface ClipHeader {
  index: number;
  firstSample: number;
  samples: number;
}

export function readClipHeader(data: Bytes, name: string): ClipHeader {
  checkForm(CLIP, data, name);
  const high = readUint32(data, 8);
  if (high >= 2 ** 21) throw badForm(`${name}: begins at a sample that no recording has`);
  return {
    index: readUint32(data, 4),
    firstSample: high * 2 ** 32 + readUint32(data, 12),
    samples: readUint32(data, 16),
  };
}

export function checkDetails(data: Bytes, number: number): void {
  const name = `details.${number}`;
  checkForm(DETAILS, data, name);
  if (readUint32(data, 4) !== number) throw badForm(`${name}: says that it is another`);
}

/** The FLAC file in a sealed clip. */
export function openClip(data: Bytes, key: RecordingKey, recording: string, name: string): Promise<Bytes> {
  const header = readClipHeader(data, name);
  return open(CLIP, header.index, data, key.clip, recording, name);
}

export async function openDetails(data: Bytes, number: number, key: RecordingKey, recording: string): Promise<Details> {
  checkDetails(data, number);
  const name = `details.${number}`;
  return decode(await open(DETAILS, number, data, key.details, recording, name), anyObject, name);
}

function checkForm(shape: Shape, data: Bytes, name: string): void {
  if (data.length > MAX_FILE_BYTES) throw badForm(`${name}: ${data.length} bytes, at most ${MAX_FILE_BYTES} are allowed`);
  for (let at = 0; at < 4; at++) {
    if (data[at] !== shape.magic.charCodeAt(at)) throw badForm(`${name}: does not begin with ${shape.magic}`);
  }
  const inside = data.length - shape.header - TAG_BYTES;
  if (inside < shape.block || inside % shape.block !== 0) {
    throw badForm(`${name}: ${data.length} bytes is no length that a sealed file can have: cut off or extended`);
  }
}

async function open(
  shape: Shape,
  number: number,
  data: Bytes,
  key: CryptoKey,
  recording: string,
  name: string,
): Promise<Bytes> {
  const iv = concat(new Uint8Array(8), uint32(number));
  const additionalData = concat(data.subarray(0, shape.header), recordingBytes(recording));
  let plain: Bytes;
  try {
    const opened = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv, additionalData },
      key,
      data.subarray(shape.header) as Bytes,
    );
    plain = new Uint8Array(opened);
  } catch {
    throw tampered(`${name}: altered, or sealed for another recording`);
  }
  return unpad(plain, shape.block, name);
}

/** The content of: length u32, content, zeros to a multiple of `block`; more zeros, or anything else, is refused. */
export function unpad(plain: Bytes, block: number, name: string): Bytes {
  const end = 4 + readUint32(plain, 0);
  if (end > plain.length || plain.length - end >= block || plain.subarray(end).some((byte) => byte !== 0)) {
    throw tampered(`${name}: its inner length does not fit`);
  }
  return plain.slice(4, end);
}

export function pad(content: Uint8Array, block: number): Bytes {
  const filled = 4 + content.length;
  return concat(uint32(content.length), content, new Uint8Array((block - (filled % block)) % block));
}

const clipEntry = struct({
  index: integer(0, 999_999),
  first_sample: count,
  samples: integer(1, 16_000),
  sha256: text(/^[0-9a-f]{64}$/, "a SHA-256"),
});
export type ClipEntry = Of<typeof clipEntry>;
export const CLIPS_PER_LIST = 512;

export const clipName = (index: number): string => `${String(index).padStart(6, "0")}.clip`;

export const readClipList = (data: Bytes, name: string): ClipEntry[] =>
  decode(data, list(clipEntry, 1, CLIPS_PER_LIST), name);

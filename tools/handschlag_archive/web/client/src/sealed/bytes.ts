// Bytes as this format spells them: base64url without padding whose unused bits are zero, hex in lower case, SHA-256,
// HKDF-SHA256, canonical JSON.

import { badForm } from "./errors";

/** What WebCrypto and fetch take: bytes over memory of their own. */
export type Bytes = Uint8Array<ArrayBuffer>;

export const MAX_FILE_BYTES = 98304;

const encoder = new TextEncoder();
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Int16Array(128).fill(-1);
for (let at = 0; at < 64; at++) VALUES[ALPHABET.charCodeAt(at)] = at;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export const ascii = (text: string): Bytes => encoder.encode(text) as Bytes;

export function concat(...parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export const hex = (data: Uint8Array): string => {
  let text = "";
  for (const byte of data) text += HEX[byte];
  return text;
};

export function unhex(text: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw badForm("not hex digits in lower case");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function toBase64url(data: Uint8Array): string {
  let text = "";
  for (let at = 0; at < data.length; at += 3) {
    const left = data.length - at;
    const word = (data[at]! << 16) | ((left > 1 ? data[at + 1]! : 0) << 8) | (left > 2 ? data[at + 2]! : 0);
    text += ALPHABET[word >> 18]! + ALPHABET[(word >> 12) & 63]!;
    if (left > 1) text += ALPHABET[(word >> 6) & 63]!;
    if (left > 2) text += ALPHABET[word & 63]!;
  }
  return text;
}

/** Bytes of canonical base64url, `size` of them if given; the error never shows the text. */
export function fromBase64url(text: string, name: string, size?: number): Bytes {
  const rest = text.length % 4;
  const bad = (): Error => badForm(`${name}: not base64url without padding`);
  if (rest === 1) throw bad();
  const data = new Uint8Array(Math.floor((text.length * 3) / 4));
  let word = 0;
  let out = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const value = code < 128 ? VALUES[code]! : -1;
    if (value < 0) throw bad();
    word = (word << 6) | value;
    if (at % 4 === 3) {
      data[out++] = word >> 16;
      data[out++] = (word >> 8) & 255;
      data[out++] = word & 255;
      word = 0;
    }
  }
  if (rest === 2) data[out] = word >> 4;
  if (rest === 3) {
    data[out++] = word >> 10;
    data[out] = (word >> 2) & 255;
  }
  if ((rest === 2 && (word & 15) !== 0) || (rest === 3 && (word & 3) !== 0)) {
    throw badForm(`${name}: not canonical base64url (unused bits of the last character are not zero)`);
  }
  if (size !== undefined && data.length !== size) throw badForm(`${name}: ${data.length} bytes, ${size} are needed`);
  return data;
}

export async function sha256(data: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data as Bytes));
}

export const sha256Hex = async (data: Uint8Array): Promise<string> => hex(await sha256(data));

/** 32 bytes of HKDF-SHA256 (RFC 5869). */
export async function derive(secret: Uint8Array, info: string, salt: Uint8Array = new Uint8Array(0)): Promise<Bytes> {
  const key = await crypto.subtle.importKey("raw", secret as Bytes, "HKDF", false, ["deriveBits"]);
  const algorithm = { name: "HKDF", hash: "SHA-256", salt: salt as Bytes, info: ascii(info) };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 256));
}

export const gcmKey = (key: Uint8Array): Promise<CryptoKey> =>
  crypto.subtle.importKey("raw", key as Bytes, "AES-GCM", false, ["encrypt", "decrypt"]);

export function uint32(value: number): Bytes {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value);
  return data;
}

export const readUint32 = (data: Uint8Array, at: number): number =>
  new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(at);

/** Keys sorted by code point, no spaces. Only for values whose numbers are integers or short fractions. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    fields.sort(([a], [b]) => comparePoints(a, b));
    return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(",")}}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) throw badForm("a number is not finite");
  return JSON.stringify(value);
}

function comparePoints(a: string, b: string): number {
  const left = Array.from(a, (each) => each.codePointAt(0)!);
  const right = Array.from(b, (each) => each.codePointAt(0)!);
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    if (left[at] !== right[at]) return left[at]! - right[at]!;
  }
  return left.length - right.length;
}

/** Overwrites secrets, as far as a browser lets us. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

/** Compares without telling by its time where they differ. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  let differs = a.length ^ b.length;
  for (let at = 0; at < Math.min(a.length, b.length); at++) differs |= a[at]! ^ b[at]!;
  return differs === 0;
}

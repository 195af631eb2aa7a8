// A person's keys. The password is stretched (Argon2id), then split in two: a login secret, of which the server keeps a
// hash, and, together with a device secret (16 bytes) that the server never sees, a key that wraps the person's bundle.
// A stolen database allows guessing of the login secret, but not of the workshop key: that needs the device secret, too.
//
//   stretched    = Argon2id(password in NFKC and UTF-8, salt 16, memory, passes, 1 lane), 32 bytes
//   login secret = HKDF(stretched, "handschlag/1 login")
//   wrapping key = HKDF(stretched | device secret, "handschlag/1 person")
//   invitation   = HKDF(device secret, "handschlag/1 invitation")
//   bundle       = nonce (12) | AES-256-GCM(key, nonce, aad = "handschlag/1 person" | 0 | person id) of canonical JSON

import { argon2id } from "hash-wasm";
import { type Bytes, ascii, canonical, concat, derive, fromBase64url, gcmKey, toBase64url, wipe } from "./bytes";
import { badForm, badKey } from "./errors";
import { decode, integer, list, nullable, oneOf, struct, text } from "./form";

export const SALT_BYTES = 16;
export const DEVICE_SECRET_BYTES = 16;
export const MEMORY_KIB = 65536;
export const PASSES = 3;
export const MIN_PASSWORD = 12;

export interface Stretching {
  salt: Bytes;
  memory_kib: number;
  passes: number;
}

/** What a person holds. `workshop` are seeds, generation 1 first; `signing` is the owner's, and owners' only. */
export interface Bundle {
  generation: number;
  workshop: Bytes[];
  signing: Bytes | null;
}

const bundleForm = struct({
  version: oneOf(1),
  generation: integer(1, 10_000),
  workshop: list(text(/^[A-Za-z0-9_-]{43}$/, "a seed"), 1, 10_000),
  signing: nullable(text(/^[A-Za-z0-9_-]{43}$/, "a seed")),
});

export async function stretch(password: string, how: Stretching): Promise<Bytes> {
  // A server that asks for less would make the login secret easy to guess; one for far more, a browser stand still.
  if (how.memory_kib < MEMORY_KIB || how.memory_kib > 1 << 20 || how.passes < PASSES || how.passes > 20) {
    throw badForm(`login: Argon2id with ${how.memory_kib} KiB and ${how.passes} passes is not allowed`);
  }
  if (how.salt.length !== SALT_BYTES) throw badForm(`login: a salt of ${how.salt.length} bytes, ${SALT_BYTES} are needed`);
  const plain = ascii(password.normalize("NFKC"));
  try {
    const out = await argon2id({
      password: plain,
      salt: how.salt,
      parallelism: 1,
      iterations: how.passes,
      memorySize: how.memory_kib,
      hashLength: 32,
      outputType: "binary",
    });
    return Uint8Array.from(out);
  } finally {
    wipe(plain);
  }
}

export const loginSecret = (stretched: Bytes): Promise<Bytes> => derive(stretched, "handschlag/1 login");

export async function personKey(stretched: Bytes, device: Bytes): Promise<Bytes> {
  const both = concat(stretched, device);
  const key = await derive(both, "handschlag/1 person");
  wipe(both);
  return key;
}

export const invitationKey = (device: Bytes): Promise<Bytes> => derive(device, "handschlag/1 invitation");

export async function wrapBundle(bundle: Bundle, key: Bytes, person: string): Promise<Bytes> {
  const plain = ascii(
    canonical({
      version: 1,
      generation: bundle.generation,
      workshop: bundle.workshop.map(toBase64url),
      signing: bundle.signing === null ? null : toBase64url(bundle.signing),
    }),
  );
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: aad(person) }, await gcmKey(key), plain);
  wipe(plain);
  return concat(iv, new Uint8Array(sealed));
}

export async function unwrapBundle(wrapped: Bytes, key: Bytes, person: string): Promise<Bundle> {
  if (wrapped.length < 12 + 16) throw badForm("keys of this person: cut off");
  const algorithm = { name: "AES-GCM", iv: wrapped.slice(0, 12), additionalData: aad(person) };
  let plain: Bytes;
  try {
    plain = new Uint8Array(await crypto.subtle.decrypt(algorithm, await gcmKey(key), wrapped.slice(12)));
  } catch {
    throw badKey("keys of this person: do not open with this password and device code");
  }
  const found = decode(plain, bundleForm, "keys of this person");
  wipe(plain);
  return {
    generation: found.generation,
    workshop: found.workshop.map((seed) => fromBase64url(seed, "seed", 32)),
    signing: found.signing === null ? null : fromBase64url(found.signing, "signing seed", 32),
  };
}

export function wipeBundle(bundle: Bundle): void {
  wipe(...bundle.workshop, ...(bundle.signing === null ? [] : [bundle.signing]));
}

const aad = (person: string): Bytes => ascii(`handschlag/1 person\0${person}`);

// --- the device secret on paper: Crockford's base32 in groups, with two digits that find a slip of the pen

const DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

async function paperCheck(secret: Bytes): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", concat(ascii("handschlag/1 device"), secret)));
  return DIGITS[digest[0]! >> 3]! + DIGITS[digest[1]! >> 3]!;
}

/** 26 digits for 16 bytes and two of check: seven groups of four. */
export async function toPaper(secret: Bytes): Promise<string> {
  let value = secret.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let digits = "";
  for (let at = 0; at < 26; at++) {
    digits = DIGITS[Number(value & 31n)]! + digits;
    value >>= 5n;
  }
  return `${digits}${await paperCheck(secret)}`.match(/.{4}/g)!.join("-");
}

/** The secret from what was typed: either case, with or without dashes, O for 0, I and L for 1. */
export async function fromPaper(typed: string): Promise<Bytes> {
  const digits = typed.toUpperCase().replace(/[\s-]/g, "").replaceAll("O", "0").replace(/[IL]/g, "1");
  if (!/^[0-9A-HJKMNP-TV-Z]{28}$/.test(digits)) throw badKey("device code: 28 letters and digits are needed");
  let value = 0n;
  for (const digit of digits.slice(0, 26)) value = (value << 5n) | BigInt(DIGITS.indexOf(digit));
  const secret = new Uint8Array(DEVICE_SECRET_BYTES);
  for (let at = DEVICE_SECRET_BYTES - 1; at >= 0; at--) {
    secret[at] = Number(value & 255n);
    value >>= 8n;
  }
  if (value !== 0n || (await paperCheck(secret)) !== digits.slice(26)) throw badKey("device code: mistyped");
  return secret;
}

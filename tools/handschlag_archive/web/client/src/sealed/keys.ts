// The keys: who derives what from what, and how a recording's key is unwrapped. HPKE base mode, MLKEM768_X25519 (X-Wing),
// HKDF-SHA256, AES-256-GCM, single shot, empty aad (FORMAT.md, "Keys").

import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";
import { type Bytes, ascii, concat, derive, fromBase64url, gcmKey, same, sha256, toBase64url, unhex, wipe } from "./bytes";
import { SealedError, badForm, badKey, tampered } from "./errors";
import { type Of, boxName, kid as kidForm, recordingId, struct, text } from "./form";

export const SUITE = "handschlag/1 mlkem768-x25519 hkdf-sha256 aes-256-gcm";
export const ENC_BYTES = 1120;
export const WRAPPED_BYTES = 48;
const PUBLIC_BYTES = 1216;
const MAX_GENERATION = 10_000;

const anyText = text(/^/, "text");
export const wrappedKey = struct({ kid: kidForm, enc: anyText, wrapped: anyText });
export type WrappedKey = Of<typeof wrappedKey>;

export const keyId = async (raw: Uint8Array): Promise<string> => toBase64url(await sha256(raw));

/** The first 128 bits of a public key's SHA-256 as eight groups of four hex digits, to compare by eye. */
export async function fingerprint(raw: Uint8Array): Promise<string> {
  const digits = [...(await sha256(raw)).subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return (digits.match(/.{4}/g) ?? []).join(" ");
}

/** 16 raw bytes of a recording's id. */
export const recordingBytes = (recording: string): Bytes =>
  unhex(recordingId(recording, "recording").replaceAll("-", ""));

const wrapInfo = (box: string, recording: string): Bytes =>
  concat(ascii("handschlag/1 key\0"), ascii(boxName(box, "box")), new Uint8Array(1), recordingBytes(recording));

/** X-Wing that expands its one private key once, not for each recording: a third of the work of an opening. */
function oneKeyKem(): XWing {
  const kem = new XWing();
  interface Inner {
    _expandDecapsulationKey?: (seed: Uint8Array) => Promise<unknown>;
    _x25519?: { derive(secret: Uint8Array, point: Uint8Array): Promise<Uint8Array> };
  }
  const inner = kem as unknown as Inner;
  const original = inner._expandDecapsulationKey;
  const exchange = inner._x25519?.derive;
  if (original === undefined || exchange === undefined) return kem; // another version of it: slower, and as right
  let expanded: Promise<unknown> | undefined;
  inner._expandDecapsulationKey = (seed) => (expanded ??= original.call(kem, seed));
  let native: Promise<CryptoKey> | undefined;
  let known: Uint8Array | undefined;
  inner._x25519!.derive = async (secret, point) => {
    // The browser's own X25519 where it has one; for the one key, which is asked for again and again.
    known ??= secret;
    if (!same(known, secret)) return exchange.call(inner._x25519, secret, point);
    native ??= crypto.subtle.importKey("pkcs8", concat(X25519_PKCS8, secret), "X25519", false, ["deriveBits"]);
    try {
      const key = await native;
      const theirs = await crypto.subtle.importKey("raw", Uint8Array.from(point), "X25519", false, []);
      return new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: theirs }, key, 256));
    } catch {
      return exchange.call(inner._x25519, secret, point);
    }
  };
  return kem;
}

const X25519_PKCS8 = unhex("302e020100300506032b656e04220420");

/** The private key that opens recordings. `seed` is 32 bytes; `wipe` overwrites what we hold of it. */
export class WorkshopKey {
  private constructor(
    readonly generation: number,
    readonly kid: string,
    readonly publicKey: Bytes,
    private readonly seed: Bytes,
    private readonly suite: CipherSuite,
    private readonly key: CryptoKey,
  ) {}

  static async of(seed: Uint8Array, generation: number): Promise<WorkshopKey> {
    if (seed.length !== 32) throw badKey(`workshop key: ${seed.length} bytes, 32 are needed`);
    if (!Number.isInteger(generation) || generation < 1 || generation > MAX_GENERATION) {
      throw badKey(`workshop key: generation ${generation}, allowed is 1 to ${MAX_GENERATION}`);
    }
    const own = Uint8Array.from(seed);
    const kem = oneKeyKem();
    const suite = new CipherSuite({ kem, kdf: new HkdfSha256(), aead: new Aes256Gcm() });
    const pair = await kem.generateKeyPairDerand(own);
    const publicKey = new Uint8Array(await kem.serializePublicKey(pair.publicKey));
    if (publicKey.length !== PUBLIC_BYTES) throw badKey(`workshop key: its public half has ${publicKey.length} bytes`);
    return new WorkshopKey(generation, await keyId(publicKey), publicKey, own, suite, pair.privateKey);
  }

  /** The recording key that was wrapped for this key, that box and that recording. */
  async unwrap(wrapped: WrappedKey, box: string, recording: string): Promise<RecordingKey> {
    if (wrapped.kid !== this.kid) throw badKey(`wrapped for key ${wrapped.kid}, this is key ${this.kid}`);
    const enc = fromBase64url(wrapped.enc, "enc", ENC_BYTES);
    const sealed = fromBase64url(wrapped.wrapped, "wrapped", WRAPPED_BYTES);
    let plain: Bytes;
    try {
      const opened = await this.suite.open({ recipientKey: this.key, enc, info: wrapInfo(box, recording) }, sealed);
      plain = new Uint8Array(opened);
    } catch {
      throw badKey(`recording ${recording}: its key does not open with workshop key ${this.kid}: altered, or of another`);
    }
    return RecordingKey.of(plain);
  }

  /** A key for a sealed index: fresh by its salt. */
  indexKey(salt: Uint8Array): Promise<Bytes> {
    return derive(this.seed, "handschlag/1 index", salt);
  }

  wipe(): void {
    wipe(this.seed);
    const held = (this.key as unknown as { key?: unknown }).key; // @hpke's own copy
    if (held instanceof Uint8Array) wipe(held);
  }
}

/** A recording's 32 bytes and its sub-keys. */
export class RecordingKey {
  private constructor(
    private readonly raw: Bytes,
    private readonly commit: Bytes,
    readonly clip: CryptoKey,
    readonly details: CryptoKey,
  ) {}

  static async of(raw: Bytes): Promise<RecordingKey> {
    if (raw.length !== 32) throw badKey(`recording key: ${raw.length} bytes, 32 are needed`);
    const [commit, clip, details] = await Promise.all(["commit", "clip", "details"].map((info) => derive(raw, info)));
    const keys = [await gcmKey(clip!), await gcmKey(details!)] as const;
    wipe(clip!, details!);
    return new RecordingKey(raw, commit!, ...keys);
  }

  /** AES-GCM does not commit to its key, so the head does; asked before the key is used for anything. */
  checkCommitment(commitment: string): void {
    if (!same(fromBase64url(commitment, "head.json: commitment", 32), this.commit)) {
      throw tampered("head.json: commits to another key than the one that was wrapped");
    }
  }

  /** A key for one note: fresh by its salt. */
  noteKey(salt: Uint8Array): Promise<Bytes> {
    return derive(this.raw, "note", salt);
  }

  /** The 32 bytes themselves, to hand the key to a worker. */
  copy(): Bytes {
    return Uint8Array.from(this.raw);
  }

  wipe(): void {
    wipe(this.raw, this.commit);
  }
}

/** What the owner's secret (32 bytes) gives. */
export const workshopSeed = (owner: Uint8Array, generation: number): Promise<Bytes> =>
  derive(owner, `handschlag/1 xwing ${generation}`);
export const signingSeed = (owner: Uint8Array): Promise<Bytes> => derive(owner, "handschlag/1 sign");

const PKCS8 = unhex("302e020100300506032b657004220420");

/** An Ed25519 key pair of its 32-byte seed: WebCrypto takes a private key as PKCS 8 only. */
export class SigningKey {
  private constructor(
    readonly kid: string,
    readonly publicKey: Bytes,
    private readonly key: CryptoKey,
  ) {}

  static async of(seed: Uint8Array): Promise<SigningKey> {
    if (seed.length !== 32) throw badKey(`signing key: ${seed.length} bytes, 32 are needed`);
    const wrapped = concat(PKCS8, seed);
    const exportable = await crypto.subtle.importKey("pkcs8", wrapped, "Ed25519", true, ["sign"]);
    const { x } = await crypto.subtle.exportKey("jwk", exportable);
    const key = await crypto.subtle.importKey("pkcs8", wrapped, "Ed25519", false, ["sign"]);
    wipe(wrapped);
    const raw = fromBase64url(x ?? "", "signing key", 32);
    return new SigningKey(await keyId(raw), raw, key);
  }

  async sign(data: Uint8Array): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.sign("Ed25519", this.key, data as Bytes));
  }
}

/** Whether it is an error that says which key is missing, and nothing worse. */
export const isKeyError = (error: unknown): boolean => error instanceof SealedError && error.kind === "key";

export function checkSuite(suite: string, name: string): void {
  if (suite !== SUITE) throw badForm(`${name}: suite ${JSON.stringify(suite.slice(0, 80))} is not known here`);
}

// Compact JWS (RFC 7515) with Ed25519 (RFC 8037), and nothing of JWS beyond that. The key is looked up by its id among
// those the reader trusts; keys that a header brings along are ignored, critical extensions refused.

import { type Bytes, MAX_FILE_BYTES, ascii, canonical, fromBase64url, toBase64url } from "./bytes";
import { badForm, tampered } from "./errors";
import { decode } from "./form";
import type { SigningKey } from "./keys";
import type { Keyring } from "./trust";

export interface Signed {
  payload: Bytes;
  kid: string;
}

const latin1 = new TextDecoder("latin1"); // anything beyond ASCII fails the shape
const SHAPE = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;

export async function readJws(token: Uint8Array, typ: string, keys: Keyring, name: string): Promise<Signed> {
  if (token.length > MAX_FILE_BYTES) throw badForm(`${name}: ${token.length} bytes, at most ${MAX_FILE_BYTES}`);
  const shape = SHAPE.exec(latin1.decode(token));
  if (shape === null) throw badForm(`${name}: not a compact JWS`);
  const [, header64, payload64, signature64] = shape as unknown as [string, string, string, string];
  const header = decode(fromBase64url(header64, `${name}: header`), (value) => value, `${name}: header`);
  const { alg, typ: found, kid, crit } = (header ?? {}) as Record<string, unknown>;
  if (alg !== "EdDSA") throw badForm(`${name}: only the algorithm EdDSA is allowed`);
  if (crit !== undefined && crit !== null) throw badForm(`${name}: critical header extensions are not known here`);
  if (found !== typ) throw badForm(`${name}: not signed as ${typ}`);
  if (typeof kid !== "string" || !/^[A-Za-z0-9_-]{43}$/.test(kid)) throw badForm(`${name}: kid is no key id`);
  const payload = fromBase64url(payload64, `${name}: payload`);
  const signature = fromBase64url(signature64, `${name}: signature`, 64);
  const key = await keys.find(kid, name);
  if (!(await crypto.subtle.verify("Ed25519", key, signature, ascii(`${header64}.${payload64}`)))) {
    throw tampered(`${name}: the signature by key ${kid} does not fit`);
  }
  return { payload, kid };
}

export async function signJws(payload: unknown, typ: string, key: SigningKey): Promise<string> {
  const header = ascii(canonical({ alg: "EdDSA", kid: key.kid, typ }));
  const signed = `${toBase64url(header)}.${toBase64url(ascii(canonical(payload)))}`;
  return `${signed}.${toBase64url(await key.sign(ascii(signed)))}`;
}

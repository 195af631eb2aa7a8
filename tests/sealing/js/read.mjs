// Opens the committed vectors with nothing of the product: node's crypto, @hpke/core and @hpke/hybridkem-x-wing.
// Written from firmware/handschlag/sealing/FORMAT.md.    node read.mjs VECTORS.json    prints what it opened as JSON.
import { createDecipheriv, createHash, createPublicKey, hkdfSync, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { Aes256Gcm, CipherSuite, HkdfSha256 } from "@hpke/core";
import { XWing } from "@hpke/hybridkem-x-wing";

const SUITE = "handschlag/1 mlkem768-x25519 hkdf-sha256 aes-256-gcm";
const vectors = JSON.parse(readFileSync(process.argv[2], "utf8"));
const files = Object.fromEntries(
  Object.entries(vectors.files_base64).map(([name, text]) => [name, Buffer.from(text, "base64")]),
);

const need = (fact, what) => {
  if (!fact) throw new Error(what);
};
const sha256 = (data) => createHash("sha256").update(data).digest();
const derive = (secret, info) => Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), info, 32));
const unbase64 = (text) => {
  const data = Buffer.from(text, "base64url");
  need(data.toString("base64url") === text, "base64url is not canonical");
  return data;
};

function readJws(token, typ, keys) {
  const [header64, payload64, signature64] = token.toString("ascii").split(".");
  const header = JSON.parse(unbase64(header64));
  need(header.alg === "EdDSA" && header.typ === typ && !("crit" in header), `${typ}: another header`);
  const known = keys.find((key) => key.kid === header.kid);
  need(known, `${typ}: signed by a key that is not trusted`);
  const raw = unbase64(known.public);
  need(sha256(raw).toString("base64url") === known.kid, "trust file: wrong kid");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: known.public }, format: "jwk" });
  need(verify(null, Buffer.from(`${header64}.${payload64}`), key, unbase64(signature64)), `${typ}: wrong signature`);
  return JSON.parse(unbase64(payload64));
}

function unseal(data, headerBytes, key, number, recording) {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(number, 8);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce);
  decipher.setAAD(Buffer.concat([data.subarray(0, headerBytes), recording]));
  decipher.setAuthTag(data.subarray(-16));
  const plain = Buffer.concat([decipher.update(data.subarray(headerBytes, -16)), decipher.final()]);
  const length = plain.readUInt32BE(0);
  need(plain.subarray(4 + length).every((byte) => byte === 0), "padding is not zero");
  return plain.subarray(4, 4 + length);
}

async function unwrap(wrapped, seed, box, recording) {
  const suite = new CipherSuite({ kem: new XWing(), kdf: new HkdfSha256(), aead: new Aes256Gcm() });
  const recipientKey = await suite.kem.deserializePrivateKey(new Uint8Array(seed));
  const zero = Buffer.alloc(1);
  const info = Buffer.concat([Buffer.from("handschlag/1 key"), zero, Buffer.from(box), zero, recording]);
  const plain = await suite.open(
    { recipientKey, enc: new Uint8Array(unbase64(wrapped.enc)), info: new Uint8Array(info) },
    new Uint8Array(unbase64(wrapped.wrapped)),
  );
  return Buffer.from(plain);
}

const manifest = readJws(files["manifest.jws"], "handschlag-manifest", vectors.trust.boxes);
const receipt = readJws(files["receipt.jws"], "handschlag-receipt", vectors.trust.archive);
need(receipt.manifest_hash === sha256(files["manifest.jws"]).toString("hex"), "receipt: for another manifest");
for (const [name, digest] of Object.entries(manifest.files)) {
  need(sha256(files[name]).toString("hex") === digest, `${name}: altered`);
}
const head = JSON.parse(files["head.json"]);
need(head.suite === SUITE && head.recording === manifest.recording && head.box === manifest.box, "head: of another");
const recording = Buffer.from(head.recording.replaceAll("-", ""), "hex");
const seed = derive(Buffer.from(vectors.owner_secret_hex, "hex"), "handschlag/1 xwing 1");
const wrapped = JSON.parse(files["keys.json"]).recipients.find((one) => one.kid === vectors.workshop[0].kid);
const key = await unwrap(wrapped, seed, head.box, recording);
need(derive(key, "commit").equals(unbase64(head.commitment)), "the head commits to another key");

const clips = {};
for (const entry of JSON.parse(files["clips.0.json"])) {
  const data = files[`${String(entry.index).padStart(6, "0")}.clip`];
  need(sha256(data).toString("hex") === entry.sha256, `clip ${entry.index}: altered`);
  need(data.toString("ascii", 0, 4) === "HSC1" && data.readUInt32BE(4) === entry.index, `clip ${entry.index}: header`);
  need(data.readBigUInt64BE(8) === BigInt(entry.first_sample), `clip ${entry.index}: another place`);
  clips[entry.index] = unseal(data, 20, derive(key, "clip"), entry.index, recording).toString("base64");
}
const details = [0, 1].map((n) => JSON.parse(unseal(files[`details.${n}`], 8, derive(key, "details"), n, recording)));

let prev = "0".repeat(64);
for (const name of Object.keys(vectors.ledger).filter((each) => each.endsWith(".jsonl")).sort()) {
  for (const line of vectors.ledger[name].split("\n").slice(0, -1)) {
    need(JSON.parse(line).prev === prev, "ledger: broken");
    prev = sha256(Buffer.from(line)).toString("hex");
  }
}
const ledgerHead = readJws(Buffer.from(vectors.ledger["head.jws"]), "handschlag-ledger-head", vectors.trust.boxes);
need(ledgerHead.hash === prev, "ledger: its head names another line");

console.log(JSON.stringify({ recording_key_hex: key.toString("hex"), flacs_base64: clips, details }));

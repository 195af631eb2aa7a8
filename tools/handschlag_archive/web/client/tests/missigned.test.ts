// What nobody without a key can make, and what a faulty or foreign signer could: signatures that do not fit, and recordings
// that are signed rightly and say wrong things. The keys are those of the vectors (tests/sealing/builder.py).
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, ascii, canonical, concat, derive, fromBase64url, gcmKey, sha256Hex, toBase64url, uint32, unhex } from "../src/sealed/bytes";
import { SealedError } from "../src/sealed/errors";
import { signJws } from "../src/sealed/jws";
import { SigningKey, recordingBytes } from "../src/sealed/keys";
import { openRecording } from "../src/sealed/open";
import { stretch } from "../src/sealed/person";
import { HeldFiles, checkRecording } from "../src/sealed/verify";
import { files, trust, unbase64, vectors, workshopKey } from "./vectors";

type Json = Record<string, unknown>;

const keyOf = (name: string): Promise<SigningKey> => SigningKey.of(concat(ascii(name), new Uint8Array(32 - name.length)));
const payloadOf = (token: Bytes): Json => {
  const payload = new TextDecoder().decode(token).split(".")[1]!;
  return JSON.parse(new TextDecoder().decode(fromBase64url(payload, "payload"))) as Json;
};

async function wrong(given: ReadonlyMap<string, Bytes>): Promise<SealedError> {
  const held = new HeldFiles(given);
  try {
    await openRecording(held, [await workshopKey()], await trust());
    await checkRecording(held, await trust());
  } catch (error) {
    assert.ok(error instanceof SealedError, String(error));
    return error;
  }
  assert.fail("nothing was found to be wrong");
}

/** The vectors' recording with other files, whose hashes the box has signed, and no receipt. */
async function signedAnew(changed: Record<string, Bytes | string>, more: Json = {}): Promise<Map<string, Bytes>> {
  const given = files();
  const manifest = payloadOf(given.get("manifest.jws")!);
  const hashes = { ...(manifest.files as Record<string, string>) };
  for (const [name, content] of Object.entries(changed)) {
    const data = typeof content === "string" ? ascii(content) : content;
    given.set(name, data);
    if (name in hashes) hashes[name] = await sha256Hex(data);
  }
  given.set("manifest.jws", ascii(await signJws({ ...manifest, files: hashes, ...more }, "handschlag-manifest", await keyOf("box"))));
  given.delete("receipt.jws");
  return given;
}

const json = (name: string): unknown => JSON.parse(new TextDecoder().decode(files().get(name)));

test("what is signed anew without a change is right, so the refusals below are for what they name", async () => {
  const held = new HeldFiles(await signedAnew({}));
  await openRecording(held, [await workshopKey()], await trust());
  await checkRecording(held, await trust());
});

test("a signature by another key under a trusted key's id does not fit", async () => {
  const stranger = await keyOf("stranger");
  for (const [name, typ, role] of [
    ["manifest.jws", "handschlag-manifest", "box"],
    ["receipt.jws", "handschlag-receipt", "archive"],
  ] as const) {
    const { kid } = await keyOf(role);
    const forger = { kid, sign: (data: Uint8Array) => stranger.sign(data) } as SigningKey;
    const forged = await signJws(payloadOf(files().get(name)!), typ, forger);
    assert.match((await wrong(files().set(name, ascii(forged)))).message, new RegExp(`^${name}: the signature by key`));
  }
});

test("a signature for another purpose, or by a key of another role, is refused", async () => {
  const manifest = payloadOf(files().get("manifest.jws")!);
  const other = await signJws(manifest, "handschlag-receipt", await keyOf("box"));
  assert.match((await wrong(files().set("manifest.jws", ascii(other)))).message, /not signed as handschlag-manifest/);
  const archives = await signJws(manifest, "handschlag-manifest", await keyOf("archive"));
  assert.match((await wrong(files().set("manifest.jws", ascii(archives)))).message, /knows no key .* for the role boxes/);
});

test("a receipt for another manifest is refused", async () => {
  const receipt = { ...payloadOf(files().get("receipt.jws")!), manifest_hash: "0".repeat(64) };
  const signed = await signJws(receipt, "handschlag-receipt", await keyOf("archive"));
  assert.equal((await wrong(files().set("receipt.jws", ascii(signed)))).message, "receipt.jws: is for another manifest");
});

test("a head that commits to another key is refused before the key is used", async () => {
  const head = { ...(json("head.json") as Json), commitment: toBase64url(new Uint8Array(32)) };
  assert.match((await wrong(await signedAnew({ "head.json": canonical(head) }))).message, /^head\.json: commits to another key/);
});

test("a hole that no gap admits is refused, and one that is admitted is not", async () => {
  const [first, , last] = json("clips.0.json") as [Json, Json, Json];
  const lists = { "clips.0.json": canonical([first, last]) };
  const without = async (more: Json): Promise<Map<string, Bytes>> => {
    const given = await signedAnew(lists, more);
    given.delete("000001.clip");
    return given;
  };
  assert.match((await wrong(await without({}))).message, /^clips\.0\.json: samples are missing from sample 16000 on/);
  await checkRecording(new HeldFiles(await without({ gaps: [[16000, 16000]] })), await trust());
  assert.match((await wrong(await without({ gaps: [[16000, 15999]] }))).message, /samples are missing/);
});

test("clips out of order, and a clip whose header says another place than its list, are refused", async () => {
  const entries = json("clips.0.json") as Json[];
  assert.match((await wrong(await signedAnew({ "clips.0.json": canonical(entries.toReversed()) }))).message, /^clips\.0\.json: /);
  const longer = entries.with(2, { ...entries[2]!, samples: 15999 });
  assert.match((await wrong(await signedAnew({ "clips.0.json": canonical(longer) }))).message, /^000002\.clip: its header/);
});

test("padding that is not zero, or a block too long, is refused", async () => {
  const key = await gcmKey(await derive(unhex(vectors.recording_key_hex), "details"));
  const { recording } = json("head.json") as { recording: string };
  const seal = async (plain: Bytes): Promise<Bytes> => {
    const front = concat(ascii("HSD1"), uint32(0));
    const algorithm = { name: "AES-GCM", iv: new Uint8Array(12), additionalData: concat(front, recordingBytes(recording)) };
    return concat(front, new Uint8Array(await crypto.subtle.encrypt(algorithm, key, plain)));
  };
  const plain = (blocks: number): Bytes => concat(uint32(2), ascii("{}"), new Uint8Array(1024 * blocks - 6));
  await openRecording(new HeldFiles(await signedAnew({ "details.0": await seal(plain(1)) })), [await workshopKey()], await trust());
  const marked = plain(1);
  marked[1023] = 1;
  for (const bad of [marked, plain(2), concat(uint32(1021), plain(1).subarray(4))]) {
    assert.match((await wrong(await signedAnew({ "details.0": await seal(bad) }))).message, /^details\.0: its inner length/);
  }
});

test("a rewrap under another number than it was signed with is refused", async () => {
  const found = await wrong(files().set("keys.2.jws", unbase64(vectors.rewrap_base64)));
  assert.equal(found.message, "keys.2.jws: its counter is 1");
});

test("unknown fields, missing ones and wrong types are refused", async () => {
  const head = json("head.json") as Json;
  for (const other of [{ ...head, more: 1 }, { ...head, channels: 3 }, { ...head, seizure: "7" }, { ...head, boot: undefined }, [head]]) {
    assert.match((await wrong(await signedAnew({ "head.json": canonical(other) }))).message, /^head\.json/);
  }
});

test("a recipient that is no workshop key of the trust file is refused", async () => {
  const given = await signedAnew({}, { recipients: ["A".repeat(43)] });
  assert.match((await wrong(given)).message, /^manifest\.jws: wrapped for key A+, which is no workshop key/);
});

test("each figure of the stretching has a floor of its own", async () => {
  const salt = new Uint8Array(16);
  for (const how of [{ memory_kib: 8192, passes: 3 }, { memory_kib: 65536, passes: 2 }, { memory_kib: 1 << 21, passes: 3 }]) {
    await assert.rejects(stretch("password", { salt, ...how }), /is not allowed/);
  }
});

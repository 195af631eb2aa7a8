// What browsers seal themselves: notes, indexes, people's bundles, the owner's messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, ascii, fromBase64url, hex, toBase64url, unhex } from "../src/sealed/bytes";
import { anyObject } from "../src/sealed/form";
import { RecordingKey, SigningKey, keyId, signingSeed } from "../src/sealed/keys";
import { readJws } from "../src/sealed/jws";
import {
  type Bundle,
  fromPaper,
  loginSecret,
  personKey,
  stretch,
  toPaper,
  unwrapBundle,
  wrapBundle,
} from "../src/sealed/person";
import { signOwner } from "../src/sealed/words";
import { openIndex, openNote, sealIndex, sealNote } from "../src/sealed/written";
import { trust, vectors, workshopKey } from "./vectors";

const RECORDING = "01890a5d-ac96-774b-bcce-b302099a8057";
const OTHER = "01890a5d-ac96-774b-bcce-b302099a8058";
const recordingKey = (): Promise<RecordingKey> => RecordingKey.of(unhex(vectors.recording_key_hex));
const flipped = (data: Bytes, at: number): Bytes => {
  const out = data.slice();
  out[at]! ^= 1;
  return out;
};

test("a note opens at its own recording only, every bit of it counts, and its size is padded", async () => {
  const key = await recordingKey();
  const sealed = await sealNote({ text: "Therme <b>" }, key, RECORDING);
  assert.deepEqual(await openNote(sealed, anyObject, key, RECORDING, "note 1"), { text: "Therme <b>" });
  assert.equal(sealed.length, 36 + 1024 + 16);
  await assert.rejects(openNote(sealed, anyObject, key, OTHER, "note 1"), /^SealedError: note 1: altered/);
  for (const at of [0, 5, 40, sealed.length - 1]) {
    await assert.rejects(openNote(flipped(sealed, at), anyObject, key, RECORDING, "note 1"), /note 1: /);
  }
  const again = await sealNote({ text: "Therme <b>" }, key, RECORDING);
  assert.notDeepEqual(again, sealed);
});

test("an index opens for its own month and generation only", async () => {
  const key = await workshopKey();
  const sealed = await sealIndex({ rows: [1, 2] }, key, "2026-11");
  assert.deepEqual(await openIndex(sealed, anyObject, [key], "2026-11", "index"), { rows: [1, 2] });
  await assert.rejects(openIndex(sealed, anyObject, [key], "2026-10", "index"), /altered/);
  await assert.rejects(openIndex(sealed, anyObject, [await workshopKey(2)], "2026-11", "index"), /generation 1/);
  await assert.rejects(openIndex(flipped(sealed, 7), anyObject, [key], "2026-11", "index"), /generation/);
});

test("a person's bundle opens with password and device secret, and with neither alone", async () => {
  const salt = new Uint8Array(16).fill(7);
  const device = Uint8Array.from({ length: 16 }, (_, at) => at);
  const stretched = await stretch("Pa\u0308ssword mit Umlaut", { salt, memory_kib: 65536, passes: 3 });
  const same = await stretch("P\u00e4ssword mit Umlaut", { salt, memory_kib: 65536, passes: 3 });
  assert.deepEqual(stretched, same, "one password, however the keyboard composes it");
  const bundle: Bundle = { generation: 1, workshop: [new Uint8Array(32).fill(1)], signing: new Uint8Array(32).fill(2) };
  const wrapped = await wrapBundle(bundle, await personKey(stretched, device), "p1");
  assert.deepEqual(await unwrapBundle(wrapped, await personKey(stretched, device), "p1"), bundle);
  const elsewhere = await personKey(stretched, new Uint8Array(16));
  await assert.rejects(unwrapBundle(wrapped, elsewhere, "p1"), /do not open/);
  await assert.rejects(unwrapBundle(wrapped, await personKey(stretched, device), "p2"), /do not open/);
  await assert.rejects(unwrapBundle(wrapped, await loginSecret(stretched), "p1"), /do not open/);
});

test("a server that asks for a weak stretching is refused", async () => {
  const salt = new Uint8Array(16);
  await assert.rejects(stretch("password", { salt, memory_kib: 8, passes: 1 }), /is not allowed/);
  await assert.rejects(stretch("password", { salt, memory_kib: 65536, passes: 1 }), /is not allowed/);
});

test("the device code on paper comes back, in either case, and a slip is found", async () => {
  const device = crypto.getRandomValues(new Uint8Array(16));
  const paper = await toPaper(device);
  assert.match(paper, /^([0-9A-Z]{4}-){6}[0-9A-Z]{4}$/);
  assert.deepEqual(await fromPaper(paper.toLowerCase().replaceAll("-", " ")), device);
  const slip = (paper[0] === "7" ? "6" : "7") + paper.slice(1);
  await assert.rejects(fromPaper(slip), /mistyped/);
  await assert.rejects(fromPaper(paper.slice(0, -2)), /28 letters/);
});

test("base64url: every length comes back, another spelling is refused", () => {
  for (let length = 0; length < 40; length++) {
    const data = crypto.getRandomValues(new Uint8Array(length));
    const text = toBase64url(data);
    assert.equal(text, Buffer.from(data).toString("base64url"));
    assert.equal(hex(fromBase64url(text, "x")), hex(data));
  }
  for (const bad of ["A", "AB", "AAB", "AA=", "A+AA", "AA A", "ÄAAA"]) {
    assert.throws(() => fromBase64url(bad, "x"), /^SealedError: x: /, bad);
  }
});

test("the owner's message is the JWS that the box reads", async () => {
  const key = await SigningKey.of(await signingSeed(unhex(vectors.owner_secret_hex)));
  const message = { box: "werkstatt-1", name: "erase", counter: 3, at: "2026-11-24T10:00:00Z", recording: RECORDING } as const;
  const token = await signOwner(message, key);
  const signed = await readJws(ascii(token), "handschlag-owner", (await trust()).keys("owner"), "message");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(signed.payload)), { version: 1, ...message });
  assert.equal(signed.kid, await keyId(key.publicKey));
  await assert.rejects(signOwner({ ...message, name: "class" }, key), /kept_for/);
});

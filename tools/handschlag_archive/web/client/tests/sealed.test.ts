// The sealed library over the committed vectors: opens what was sealed in Python, and refuses every altered copy.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Bytes, ascii, hex, unhex } from "../src/sealed/bytes";
import { SealedError } from "../src/sealed/errors";
import { SigningKey, signingSeed } from "../src/sealed/keys";
import { openRecording } from "../src/sealed/open";
import { clipName, openClip } from "../src/sealed/recording";
import { Trust } from "../src/sealed/trust";
import { type Checked, HeldFiles, checkRecording } from "../src/sealed/verify";
import { files, trust, unbase64, vectors, workshopKey } from "./vectors";

async function wrongWith(given: ReadonlyMap<string, Bytes>, by?: Trust): Promise<SealedError> {
  try {
    const opened = await openRecording(new HeldFiles(given), [await workshopKey()], by ?? (await trust()));
    await checkRecording(new HeldFiles(given), by ?? (await trust()));
    for (const entry of opened.entries) {
      await openClip(given.get(clipName(entry.index))!, opened.key, opened.head.recording, clipName(entry.index));
    }
  } catch (error) {
    assert.ok(error instanceof SealedError, `${error}`);
    return error;
  }
  assert.fail("nothing was found to be wrong");
}

const spoilt = (name: string, at: number): Map<string, Bytes> => {
  const given = files();
  const data = given.get(name)!.slice();
  data[at < 0 ? data.length + at : at]! ^= 1;
  return given.set(name, data);
};

test("keys come out of the owner's secret as in Python", async () => {
  for (const known of vectors.workshop) {
    assert.equal((await workshopKey(known.generation)).kid, known.kid);
  }
  const seed = await signingSeed(unhex(vectors.owner_secret_hex));
  assert.equal(hex(seed), vectors.owner_signing.seed_hex);
  assert.equal((await SigningKey.of(seed)).kid, vectors.owner_signing.kid);
});

test("what was sealed in Python opens: key, details and clips", async () => {
  const given = files();
  const opened = await openRecording(new HeldFiles(given), [await workshopKey()], await trust());
  assert.equal(hex(opened.key.copy()), vectors.recording_key_hex);
  assert.deepEqual(opened.details, vectors.details);
  for (const entry of opened.entries) {
    const name = clipName(entry.index);
    const flac = await openClip(given.get(name)!, opened.key, opened.head.recording, name);
    assert.deepEqual(flac, unbase64(vectors.flacs_base64[String(entry.index)]!));
  }
});

test("a whole recording verifies, and says what was checked", async () => {
  const checked: Checked = {};
  await checkRecording(new HeldFiles(files()), await trust(), {}, checked);
  assert.equal(checked.clips?.count, 3);
  assert.notEqual(checked.receipt, "none");
  assert.deepEqual(
    Object.keys(checked).sort(),
    ["clips", "details", "head", "keys", "lists", "manifest", "receipt"],
  );
});

test("a rewrap by the owner opens with the new generation's key, and without keys.json", async () => {
  const given = files().set("keys.1.jws", unbase64(vectors.rewrap_base64));
  given.delete("keys.json");
  const opened = await openRecording(new HeldFiles(given), [await workshopKey(2)], await trust());
  assert.equal(hex(opened.key.copy()), vectors.recording_key_hex);
});

test("one bit anywhere in any file is refused, and the file is named", async () => {
  for (const [name, data] of files()) {
    for (const at of [0, 9, Math.floor(data.length / 2), -1]) {
      const wrong = await wrongWith(spoilt(name, at));
      assert.ok(wrong.message.startsWith(name), `${name} at ${at}: ${wrong.message}`);
    }
  }
});

test("each file that is missing is named; a receipt may be missing", async () => {
  for (const name of files().keys()) {
    const given = files();
    given.delete(name);
    if (name === "receipt.jws") {
      const checked: Checked = {};
      await checkRecording(new HeldFiles(given), await trust(), {}, checked);
      assert.equal(checked.receipt, "none");
    } else {
      assert.match((await wrongWith(given)).message, new RegExp(`^${name.replaceAll(".", "\\.")}: is missing`));
    }
  }
});

test("foreign names and clips or lists that nobody named are refused", async () => {
  const clip = files().get("000000.clip")!;
  for (const name of ["../head.json", "000003.clip", "clips.1.json", "notes.txt", "keys.0.jws"]) {
    assert.ok((await wrongWith(files().set(name, clip))).message.includes(name), name);
  }
});

test("two clips exchanged are refused", async () => {
  const given = files();
  given.set("000000.clip", files().get("000001.clip")!);
  assert.equal((await wrongWith(given)).message.split(":")[0], "000000.clip");
});

test("a revoked recording is destroyed, whatever else lies there", async () => {
  const wrong = await wrongWith(files().set("revoke.jws", unbase64(vectors.revoke_base64)));
  assert.equal(wrong.kind, "destroyed");
});

test("a signer that the trust file does not know, or knows for another box, is refused", async () => {
  const known = vectors.trust as { boxes: { box: string }[]; archive: unknown[] };
  const empty = await Trust.read(ascii(JSON.stringify({ ...known, boxes: [] })));
  assert.equal((await wrongWith(files(), empty)).kind, "untrusted");
  const other = await Trust.read(ascii(JSON.stringify({ ...known, boxes: [{ ...known.boxes[0], box: "other" }] })));
  assert.match((await wrongWith(files(), other)).message, /^manifest\.jws: .* trusted for box other/);
  const late = { ...known.boxes[0], valid_from: "2027-01-01T00:00:00Z" };
  const young = await Trust.read(ascii(JSON.stringify({ ...known, boxes: [late] })));
  assert.match((await wrongWith(files(), young)).message, /^manifest\.jws: .* is valid from 2027/);
  const deaf = await Trust.read(ascii(JSON.stringify({ ...known, archive: [] })));
  assert.match((await wrongWith(files(), deaf)).message, /^receipt\.jws: /);
});

test("a recording expected to be another is refused", async () => {
  const given = new HeldFiles(files());
  const expected = { recording: "01890a5d-ac96-774b-bcce-b302099a8058" };
  await assert.rejects(checkRecording(given, await trust(), expected), /^SealedError: manifest\.jws: is of recording/);
});

test("a signature spelled in another way is refused", async () => {
  const token = new TextDecoder().decode(files().get("manifest.jws"));
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const other = token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) ^ 1]!;
  assert.match((await wrongWith(files().set("manifest.jws", ascii(other)))).message, /not canonical base64url/);
  const named = await wrongWith(files().set("manifest.jws", ascii(`${token}\n`)));
  assert.equal(named.message, "manifest.jws: not a compact JWS");
});

test("another workshop key does not open it, and says which one does", async () => {
  const other = await workshopKey(2);
  const opening = openRecording(new HeldFiles(files()), [other], await trust());
  await assert.rejects(opening, new RegExp(`keys\\.json: wrapped for ${vectors.workshop[0]!.kid}`));
});

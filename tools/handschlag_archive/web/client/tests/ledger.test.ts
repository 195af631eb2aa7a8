// The ledger's extract: canonical lines, an unbroken chain, the manifest's position, the consent.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SealedError } from "../src/sealed/errors";
import { checkLedger, parseLine } from "../src/sealed/ledger";
import { HeldFiles, type Opening, checkOpening } from "../src/sealed/verify";
import { files, ledgerLines, trust } from "./vectors";

const opening = async (): Promise<Opening> => checkOpening(new HeldFiles(files()), await trust());

async function wrong(lines: readonly string[], changed?: Partial<Opening>): Promise<SealedError> {
  try {
    await checkLedger(lines, { ...(await opening()), ...changed });
  } catch (error) {
    assert.ok(error instanceof SealedError, String(error));
    return error;
  }
  assert.fail("nothing was found to be wrong");
}

test("the vectors' ledger holds, whole and as an extract", async () => {
  const lines = ledgerLines();
  assert.deepEqual(await checkLedger(lines, await opening()), { from: 1, to: lines.length });
  assert.deepEqual(await checkLedger(lines.slice(2), await opening()), { from: 3, to: lines.length });
});

test("a line that was altered, taken out or exchanged is found, and named", async () => {
  const lines = ledgerLines();
  for (let at = 0; at + 1 < lines.length; at++) {
    const altered = lines.with(at, lines[at]!.replace('"5eed"', '"5eee"'));
    assert.match((await wrong(altered)).message, new RegExp(`^ledger entry ${at + 2}: does not follow|^ledger entry 4: is not`));
  }
  assert.match((await wrong(lines.toSpliced(2, 1))).message, /^ledger entry 3: its place is taken/);
  assert.match((await wrong(lines.slice(0, 3))).message, /its end was cut off/);
  assert.match((await wrong(lines.slice(3))).message, /is no consent/);
  assert.match((await wrong([])).message, /its end was cut off/);
});

test("a line in another spelling is refused", () => {
  const [line] = ledgerLines();
  parseLine(line!);
  for (const other of [
    line!.replace(",", ", "), ` ${line}`, `${line}\n`, line!.replace('"boot":"5eed",', ""), line!.replace("{", '{"zz":1,'),
    line!.replace('"seq":1', '"seq":1,"seq":1'), line!.replace('"seq":1', '"seq":01'), line!.replace('"at"', '"\\u0061t"'),
    line!.replace("{", '{"a":[1],'), line!.replace('"seq":1', '"seq":-1'), line!.replace('"boot"', '"Boot"'),
  ]) assert.throws(() => parseLine(other), SealedError, other);
});

test("a consent to another text, by another way or on another seizure is refused", async () => {
  const lines = ledgerLines();
  const found = await opening();
  const elsewhere = await wrong(lines, { head: { ...found.head, seizure: 8 } });
  assert.match(elsewhere.message, /another seizure/);
  const consent = found.manifest.consent.map((each) => ({ ...each, text_hash: "0".repeat(64) }));
  assert.match((await wrong(lines, { manifest: { ...found.manifest, consent } })).message, /another text_hash/);
  assert.match((await wrong(lines, { manifestHash: "0".repeat(64) })).message, /another manifest/);
});

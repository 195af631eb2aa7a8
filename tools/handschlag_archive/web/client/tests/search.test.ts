// Finding calls among many, as one types.
import assert from "node:assert/strict";
import { test } from "node:test";
import { readBundle } from "../src/api";
import { monthOf } from "../src/library";
import type { Row } from "../src/row";
import { ascii, concat, uint32 } from "../src/sealed/bytes";
import { search, searchable } from "../src/search";

const row = (changes: Partial<Row>): Row => ({
  box: "werkstatt-1",
  recording: "01890a5d-ac96-774b-bcce-b302099a8057",
  manifest: "0".repeat(64),
  at: "2026-11-24T09:15:00.000Z",
  clock: "synced",
  seconds: 95,
  direction: "in",
  number: "+49 30 1234567",
  name: "Familie Öztürk",
  employee: "Stefan",
  way: "key",
  kept_for: "order",
  ended: "idle",
  marks: 0,
  score: -1,
  tags: ["Therme"],
  text: "Preis 4.800 zugesagt",
  notes: 1,
  ...changes,
});

const finds = (typed: string, changes: Partial<Row> = {}): boolean =>
  search([searchable(row(changes), ["Taste 1", "Auftrag"])], typed).length === 1;

test("a call is found by number in any spelling, name, date, note, tag, class, way and length", () => {
  for (const typed of [
    "030 1234567", "0301234567", "+49301234567", "0049 30 123", "1234567", "öztürk", "ÖZTÜRK familie", "24.11.2026",
    "2026-11-24", "4.800", "#therme", "auftrag", "taste 1", "stefan", ">1min", "<100", "therme >60s", "",
  ]) assert.ok(finds(typed), typed);
  for (const typed of ["031 1234567", "müller", "25.11.2026", "#auftrag4711", ">2min", "öztürk müller", "999"]) {
    assert.ok(!finds(typed), typed);
  }
});

test("a number is never found across fields", () => {
  assert.ok(!finds("12345678", { number: "1234567", text: "8" }));
});

test("60,000 calls are searched in less time than a keystroke takes", () => {
  const all = Array.from({ length: 60_000 }, (_, at) =>
    searchable(row({ number: `030${1_000_000 + at}`, name: `Kunde ${at}`, text: "Therme getauscht, Rechnung folgt" }), ["Auftrag", "Taste 1"]),
  );
  assert.equal(search(all, "kunde 59999").length, 1);
  assert.equal(search(all, "030 1031337").length, 1);
  const begun = performance.now();
  for (const typed of ["k", "ku", "kunde 5", "therme", "030 10"]) search(all, typed);
  const each = (performance.now() - begun) / 5;
  console.log(`# ${each.toFixed(1)} ms a keystroke over 60,000 calls`);
});

test("the month is that of the id", () => {
  assert.equal(monthOf("01890a5d-ac96-774b-bcce-b302099a8057"), "2023-06");
});

test("a bundle is read file by file, what is lost is missing, and one that is cut off is refused", () => {
  const entry = (label: string, data: Uint8Array | null): Uint8Array =>
    concat(new Uint8Array([0, label.length]), ascii(label), data === null ? uint32(0xffffffff) : concat(uint32(data.length), data));
  const bundle = concat(ascii("HSB1"), entry("b/r/head.json", ascii("{}")), entry("b/r/lost", null), entry("b/s/x", ascii("")));
  const found = readBundle(bundle);
  assert.deepEqual([...found.keys()], ["b/r", "b/s"]);
  assert.deepEqual([...found.get("b/r")!.keys()], ["head.json"]);
  for (const cut of [2, 5, 20, bundle.length - 1]) assert.throws(() => readBundle(bundle.slice(0, cut)), /cut off/);
});

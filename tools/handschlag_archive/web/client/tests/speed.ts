import { indexForm, rowOf } from "../src/row";
import { openRecording } from "../src/sealed/open";
import { HeldFiles } from "../src/sealed/verify";
import { openIndex, sealIndex } from "../src/sealed/written";
import { files, trust, workshopKey } from "./vectors";

const key = await workshopKey();
const by = await trust();
const held = new HeldFiles(files());
const OPENINGS = 400;
for (let warm = 0; warm < 50; warm++) await openRecording(held, [key], by);
const begun = performance.now();
for (let at = 0; at < OPENINGS; at += 8) {
  await Promise.all(Array.from({ length: 8 }, () => openRecording(held, [key], by)));
}
const seconds = (performance.now() - begun) / 1000;
console.log(`${Math.round(OPENINGS / seconds)} openings/s (signature, hashes, unwrap, commitment, details)`);

const base = (await openRecording(held, [key], by)) as Parameters<typeof rowOf>[0];
const ROWS = 5000;
const rows = Array.from({ length: ROWS }, (_, at) => ({
  ...rowOf(base, [{ direction: "incoming", numbers: { caller: { number: `+4930${at}`, name: `Kunde ${at}` } } }]),
  recording: `01890a5d-ac96-774b-bcce-${String(at).padStart(12, "0")}`,
  text: "Therme getauscht, Rechnung folgt",
}));
const sealed = await sealIndex({ version: 1, rows }, key, "2026-11");
const opening = performance.now();
await openIndex(sealed, indexForm, [key], "2026-11", "index");
console.log(`${Math.round(ROWS / ((performance.now() - opening) / 1000))} index rows/s (${sealed.length} bytes sealed, ${ROWS} rows)`);

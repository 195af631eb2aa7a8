import { ascii } from "../src/sealed/bytes";
import { openRecording } from "../src/sealed/open";
import { HeldFiles } from "../src/sealed/verify";
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
void ascii;

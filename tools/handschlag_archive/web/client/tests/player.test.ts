// What is heard: samples as they were decoded, speeds that keep the pitch, gaps, jumps, and waiting for what has not come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Legs } from "../src/player/legs";
import { exact } from "../src/player/sound";
import { wavOf } from "../src/player/wav";

const RATE = 8000;
const CLIP = 16000;

function tone(samples: number, hertz: number): Float32Array {
  return Float32Array.from({ length: samples }, (_, at) => 0.5 * Math.sin((2 * Math.PI * hertz * at) / RATE));
}

/** Everything that comes out, until the end or until so many samples. */
function play(legs: Legs, most: number): Float32Array {
  const out = new Float32Array(most);
  for (let at = 0; at + 128 <= most; at += 128) {
    if (legs.read(out.subarray(at, at + 128))) return out.subarray(0, at + 128);
  }
  return out;
}

function crossings(samples: Float32Array): number {
  let count = 0;
  for (let at = 1; at < samples.length; at++) if (samples[at - 1]! < 0 && samples[at]! >= 0) count++;
  return count;
}

test("at speed 1 each leg comes out as it went in, over clips' borders, and both as their sum", () => {
  const far = tone(2 * CLIP, 440);
  const near = tone(2 * CLIP, 610);
  for (const [gains, expected] of [
    [[1, 0], far],
    [[0, 1], near],
    [[1, 1], far.map((sample, at) => sample + near[at]!)],
  ] as const) {
    const legs = new Legs(RATE, 2 * CLIP, []);
    for (const index of [1, 0]) {
      const cut = [index * CLIP, (index + 1) * CLIP] as const;
      legs.put({ index, first: index * CLIP, legs: [far.slice(...cut), near.slice(...cut)] });
    }
    legs.gains = gains;
    assert.deepEqual(play(legs, 3 * CLIP), expected);
  }
});

test("a clip that has not come stops the clock, and goes on once it is there", () => {
  const legs = new Legs(RATE, 2 * CLIP, []);
  const sound = tone(CLIP, 300);
  legs.put({ index: 0, first: 0, legs: [sound] });
  play(legs, 2 * CLIP);
  assert.ok(legs.waiting);
  assert.equal(legs.position, CLIP);
  legs.put({ index: 1, first: CLIP, legs: [sound] });
  const out = play(legs, 2 * CLIP);
  assert.ok(!legs.waiting);
  assert.deepEqual(out, sound);
});

test("a gap is silence of its length", () => {
  const legs = new Legs(RATE, 3 * CLIP, [[CLIP, CLIP]]);
  const sound = tone(CLIP, 300);
  legs.put({ index: 0, first: 0, legs: [sound] });
  legs.put({ index: 2, first: 2 * CLIP, legs: [sound] });
  const out = play(legs, 4 * CLIP);
  assert.equal(out.length, 3 * CLIP);
  assert.ok(out.subarray(CLIP, 2 * CLIP).every((sample) => sample === 0));
  assert.deepEqual(out.subarray(2 * CLIP), sound);
});

test("a jump plays from exactly there", () => {
  const legs = new Legs(RATE, CLIP, []);
  const sound = tone(CLIP, 300);
  legs.put({ index: 0, first: 0, legs: [sound] });
  legs.seek(1234);
  assert.deepEqual(play(legs, 128), sound.subarray(1234, 1362));
});

test("other speeds change the length and keep pitch and level", () => {
  const sound = tone(8 * CLIP, 200);
  for (const speed of [0.75, 1.5, 2]) {
    const legs = new Legs(RATE, 8 * CLIP, []);
    legs.put({ index: 0, first: 0, legs: [sound] });
    legs.speed = speed;
    const out = play(legs, 16 * CLIP);
    assert.ok(Math.abs(out.length / ((8 * CLIP) / speed) - 1) < 0.02, `${speed}: ${out.length} samples`);
    const hertz = crossings(out) / (out.length / RATE);
    assert.ok(Math.abs(hertz - 200) < 4, `${speed}: ${hertz} Hz`);
    const level = Math.sqrt(out.reduce((sum, sample) => sum + sample * sample, 0) / out.length);
    assert.ok(Math.abs(level - 0.5 / Math.SQRT2) < 0.03, `${speed}: ${level}`);
  }
});

test("samples are what they were, however a browser scales them", () => {
  const original = Int16Array.from([0, 1, -1, 672, 16384, 20001, 32767, -32768, -12345]);
  const chromium = Float32Array.from(original, (sample) => (sample > 0 ? sample / 32767 : sample / 32768));
  const firefox = Float32Array.from(original, (sample) => sample / 32768);
  for (const given of [chromium, firefox]) {
    assert.deepEqual(Int16Array.from(exact(given), (sample) => sample * 32768), original);
    const wav = wavOf([given, given], RATE);
    const inside = new Int16Array(wav.buffer.slice(44));
    assert.deepEqual(inside.filter((_, at) => at % 2 === 1), original);
  }
});

// A WAV file of 16-bit samples. What was decoded are 16-bit samples over 32768, so nothing is rounded.

import { type Bytes } from "../sealed/bytes";

export function wavOf(legs: readonly Float32Array[], rate: number): Bytes {
  const channels = legs.length;
  const samples = legs[0]?.length ?? 0;
  const size = samples * channels * 2;
  const data = new Uint8Array(44 + size);
  const view = new DataView(data.buffer);
  const word = (at: number, text: string): void => data.set(new TextEncoder().encode(text), at);
  word(0, "RIFF");
  view.setUint32(4, 36 + size, true);
  word(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * 2, true);
  view.setUint16(32, channels * 2, true);
  view.setUint16(34, 16, true);
  word(36, "data");
  view.setUint32(40, size, true);
  let at = 44;
  for (let sample = 0; sample < samples; sample++) {
    for (const leg of legs) {
      view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(leg[sample]! * 32768))), true);
      at += 2;
    }
  }
  return data;
}

// Clips as samples: fetched, checked and opened by the keeper, decoded by the browser. FLAC is lossless, and an offline
// context of the recording's own rate resamples nothing: what comes out are the samples that went in, over 32768.

import type { Call, Keeper } from "../keeper/keeper";
import type { Remote } from "../keeper/rpc";
import { badForm } from "../sealed/errors";
import { clipName } from "../sealed/recording";
import type { Chunk } from "./legs";

const KEPT = 180; // clips: six minutes at 2 s, 23 MB
/** Highest and lowest sample of each stretch of a clip, per leg. */
export const BINS = 40;
export type Peaks = Float32Array[];

export class Sound {
  readonly peaks = new Map<number, Peaks>();
  private readonly decoder: OfflineAudioContext;
  private readonly kept = new Map<number, Chunk>();
  private readonly coming = new Map<number, Promise<Chunk>>();
  private closed = false;

  constructor(
    private readonly call: Call,
    private readonly keeper: Remote<Keeper>,
  ) {
    this.decoder = new OfflineAudioContext(call.channels, 1, call.sampleRate);
  }

  /** Which clip holds a sample, by its place in the list; the next one after a gap; -1 behind the last. */
  at(sample: number): number {
    const { entries } = this.call;
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = entries[middle]!;
      if (entry.first + entry.samples <= sample) low = middle + 1;
      else high = middle;
    }
    return low < entries.length ? low : -1;
  }

  /** The samples of the clip at that place of the list. */
  async clip(place: number): Promise<Chunk> {
    const kept = this.kept.get(place);
    if (kept !== undefined) {
      this.kept.delete(place); // the most recent is the last
      this.kept.set(place, kept);
      return kept;
    }
    let coming = this.coming.get(place);
    if (coming === undefined) {
      coming = this.load(place).finally(() => this.coming.delete(place));
      this.coming.set(place, coming);
    }
    return coming;
  }

  close(): void {
    this.closed = true;
    for (const chunk of this.kept.values()) for (const leg of chunk.legs) leg.fill(0);
    this.kept.clear();
  }

  private async load(place: number): Promise<Chunk> {
    const { row, entries, channels, sampleRate } = this.call;
    const entry = entries[place]!;
    const flac = await this.keeper.clip(row.box, row.recording, entry.index);
    const name = clipName(entry.index);
    let decoded: AudioBuffer;
    try {
      decoded = await this.decoder.decodeAudioData(flac.buffer);
    } catch {
      throw badForm(`${name}: holds no sound that this browser can decode`);
    }
    const fits = decoded.length === entry.samples && decoded.numberOfChannels === channels;
    if (!fits || decoded.sampleRate !== sampleRate) throw badForm(`${name}: holds other sound than its header says`);
    const legs = Array.from({ length: channels }, (_, leg) => exact(decoded.getChannelData(leg).slice()));
    const chunk: Chunk = { index: entry.index, first: entry.first, legs };
    if (this.closed) return chunk;
    this.peaks.set(place, legs.map(peaksOf));
    this.kept.set(place, chunk);
    if (this.kept.size > KEPT) {
      const [oldest, old] = this.kept.entries().next().value!;
      for (const leg of old.legs) leg.fill(0);
      this.kept.delete(oldest);
    }
    return chunk;
  }
}

/**
 * Makes samples what they were: integers over 32768. Chromium gives positive ones over 32767, Firefox over 32768; which
 * of the two it was, the samples tell, as only one gives integers back. Changes `leg`, and gives it back.
 */
export function exact(leg: Float32Array): Float32Array {
  let off32767 = 0;
  let off32768 = 0;
  for (const sample of leg) {
    if (sample <= 0) continue;
    off32767 += Math.abs(sample * 32767 - Math.round(sample * 32767));
    off32768 += Math.abs(sample * 32768 - Math.round(sample * 32768));
  }
  const positive = off32767 < off32768 ? 32767 : 32768;
  for (let at = 0; at < leg.length; at++) {
    const sample = leg[at]!;
    leg[at] = Math.round(sample * (sample > 0 ? positive : 32768)) / 32768;
  }
  return leg;
}

export function peaksOf(leg: Float32Array): Float32Array {
  const peaks = new Float32Array(BINS);
  for (let bin = 0; bin < BINS; bin++) {
    const end = Math.floor(((bin + 1) * leg.length) / BINS);
    let most = 0;
    for (let at = Math.floor((bin * leg.length) / BINS); at < end; at++) most = Math.max(most, Math.abs(leg[at]!));
    peaks[bin] = most;
  }
  return peaks;
}

// What is heard: the legs of a recording, mixed as wanted, at the speed wanted. Runs in the audio thread, fed with decoded
// clips by the page. At speed 1 every sample goes out as it was decoded; at others by WSOLA (Verhelst and Roelands, 1993):
// frames are laid over one another where they fit best, so that voices keep their pitch.

export interface Chunk {
  index: number;
  first: number;
  legs: Float32Array[];
}

export class Legs {
  /** The next sample to be heard. */
  position = 0;
  speed = 1;
  gains: readonly number[] = [1, 1];
  /** Whether something is missing that has not come yet. */
  waiting = false;

  private readonly chunks = new Map<number, Chunk>();
  private current: Chunk | null = null;
  private tail: Float32Array | null = null;
  private natural = 0; // where the frame before would go on
  private ready = new Float32Array(0);
  private readonly frame: number;
  private readonly reach: number;

  constructor(
    rate: number,
    private readonly end: number,
    private readonly gaps: readonly (readonly [number, number])[],
  ) {
    this.frame = Math.round(rate / 25); // 40 ms
    this.reach = Math.round(rate / 125); // ± 8 ms: a pitch period of any voice
  }

  put(chunk: Chunk): void {
    this.chunks.set(chunk.index, chunk);
  }

  drop(index: number): void {
    this.chunks.get(index)?.legs.forEach((leg) => leg.fill(0));
    if (this.current?.index === index) this.current = null;
    this.chunks.delete(index);
  }

  clear(): void {
    for (const index of [...this.chunks.keys()]) this.drop(index);
  }

  seek(position: number): void {
    this.position = Math.max(0, Math.min(Math.round(position), this.end));
    this.tail = null;
    this.ready = new Float32Array(0);
    this.waiting = false;
  }

  /** Fills `out`; what cannot be played yet is silence, and the position waits. True once the end was reached. */
  read(out: Float32Array): boolean {
    out.fill(0);
    this.waiting = false;
    if (this.speed === 1) {
      this.tail = null;
      const count = Math.min(out.length, this.end - this.position);
      if (count > 0 && !this.fill(out.subarray(0, count), this.position)) this.waiting = true;
      else this.position += Math.max(count, 0);
    } else {
      this.stretch(out);
    }
    return this.position >= this.end && this.ready.length === 0;
  }

  private stretch(out: Float32Array): void {
    const hop = this.frame / 2;
    while (this.ready.length < out.length && this.position < this.end) {
      const made = this.next(hop);
      if (made === null) {
        this.waiting = true;
        return;
      }
      const longer = new Float32Array(this.ready.length + made.length);
      longer.set(this.ready);
      longer.set(made, this.ready.length);
      this.ready = longer;
    }
    const count = Math.min(out.length, this.ready.length);
    out.set(this.ready.subarray(0, count));
    this.ready = this.ready.slice(count);
  }

  private next(hop: number): Float32Array | null {
    const from = Math.round(this.position);
    const area = new Float32Array(this.frame + 2 * this.reach);
    if (!this.fill(area, from - this.reach)) return null;
    let best = this.reach;
    if (this.tail !== null) {
      const wanted = new Float32Array(hop);
      if (!this.fill(wanted, this.natural)) return null;
      best = mostAlike(area, wanted, 2 * this.reach);
    }
    const out = new Float32Array(hop);
    const tail = new Float32Array(hop);
    for (let at = 0; at < hop; at++) {
      const rise = 0.5 - 0.5 * Math.cos((Math.PI * (at + 0.5)) / hop);
      out[at] = (this.tail?.[at] ?? area[best + at]! * (1 - rise)) + area[best + at]! * rise;
      tail[at] = area[best + hop + at]! * (1 - rise);
    }
    this.tail = tail;
    this.natural = from - this.reach + best + hop;
    this.position = Math.min(this.position + hop * this.speed, this.end);
    return out;
  }

  /** Mixes what is wanted of `out.length` samples from `from` on; false where a clip has not come yet. */
  private fill(out: Float32Array, from: number): boolean {
    let at = 0;
    out.fill(0);
    while (at < out.length) {
      const sample = from + at;
      if (sample < 0 || sample >= this.end) {
        at = sample < 0 ? Math.min(-from, out.length) : out.length;
        continue;
      }
      const chunk = this.chunkAt(sample);
      if (chunk !== null) {
        const inside = sample - chunk.first;
        const count = Math.min(out.length - at, chunk.legs[0]!.length - inside);
        for (const [leg, samples] of chunk.legs.entries()) {
          const gain = this.gains[leg] ?? 1;
          if (gain === 0) continue;
          for (let each = 0; each < count; each++) out[at + each]! += gain * samples[inside + each]!;
        }
        at += count;
        continue;
      }
      const gap = this.gaps.find(([first, samples]) => sample >= first && sample < first + samples);
      if (gap === undefined) return false;
      at += gap[0] + gap[1] - sample;
    }
    return true;
  }

  private chunkAt(sample: number): Chunk | null {
    const holds = (chunk: Chunk): boolean => sample >= chunk.first && sample < chunk.first + chunk.legs[0]!.length;
    if (this.current !== null && holds(this.current)) return this.current;
    for (const chunk of this.chunks.values()) {
      if (holds(chunk)) return (this.current = chunk);
    }
    return null;
  }
}

/** Where in `area` (0 to `last`) the samples are most like `wanted`. */
function mostAlike(area: Float32Array, wanted: Float32Array, last: number): number {
  let best = last / 2;
  let bestScore = -Infinity;
  for (let shift = 0; shift <= last; shift++) {
    let product = 0;
    let energy = 1e-9;
    for (let at = 0; at < wanted.length; at += 2) {
      const sample = area[shift + at]!;
      product += sample * wanted[at]!;
      energy += sample * sample;
    }
    const score = product / Math.sqrt(energy);
    if (score > bestScore) {
      bestScore = score;
      best = shift;
    }
  }
  return best;
}

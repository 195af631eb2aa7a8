// Plays one call: keeps the audio thread a few clips ahead of the ear, wherever that jumps to.

import type { Call } from "../keeper/keeper";
import type { Sound } from "./sound";
import type { Order, Report } from "./worklet";
import workletUrl from "./worklet?worker&url";

const AHEAD_S = 16;
const BEHIND_S = 6;
const AT_ONCE = 4;

export interface State {
  playing: boolean;
  waiting: boolean;
  position: number;
  speed: number;
  gains: number[];
}

export class Player {
  readonly state: State;
  private context: AudioContext | null = null;
  private node: AudioWorkletNode | null = null;
  private starting: Promise<void> | null = null;
  private readonly given = new Set<number>();
  private pumping = false;
  private closed = false;

  constructor(
    private readonly call: Call,
    private readonly sound: Sound,
    private readonly changed: (state: State) => void,
    private readonly failed: (error: unknown) => void,
  ) {
    const first = call.entries[0]?.first ?? 0;
    this.state = { playing: false, waiting: false, position: first, speed: 1, gains: Array(call.channels).fill(1) };
  }

  async toggle(): Promise<void> {
    if (this.state.playing) return this.pause();
    const last = this.call.entries.at(-1);
    if (last === undefined) return;
    if (this.state.position >= this.call.samples) this.seek(this.call.entries[0]!.first);
    this.state.playing = true;
    this.state.waiting = true;
    this.changed(this.state);
    try {
      await (this.starting ??= this.start());
      await this.context?.resume();
    } catch (error) {
      this.starting = null;
      this.pause();
      return this.failed(error);
    }
    if (this.closed || !this.state.playing) return;
    this.order({ playing: true });
    void this.pump();
  }

  pause(): void {
    this.state.playing = false;
    this.state.waiting = false;
    this.order({ playing: false });
    this.changed(this.state);
  }

  seek(sample: number): void {
    this.state.position = Math.max(0, Math.min(Math.round(sample), this.call.samples));
    this.order({ seek: this.state.position });
    this.changed(this.state);
    void this.pump();
  }

  setSpeed(speed: number): void {
    this.state.speed = speed;
    this.order({ speed });
    this.changed(this.state);
  }

  setGain(leg: number, gain: number): void {
    this.state.gains[leg] = gain;
    this.order({ gains: [...this.state.gains] });
    this.changed(this.state);
  }

  async close(): Promise<void> {
    this.closed = true;
    this.order({ close: true });
    this.sound.close();
    await this.context?.close();
  }

  private async start(): Promise<void> {
    this.context = new AudioContext({ sampleRate: this.call.sampleRate, latencyHint: "interactive" });
    await this.context.audioWorklet.addModule(workletUrl);
    this.node = new AudioWorkletNode(this.context, "handschlag-legs", { numberOfInputs: 0, outputChannelCount: [1] });
    this.node.port.onmessage = ({ data }: MessageEvent<Report>) => this.report(data);
    this.node.connect(this.context.destination);
    const { gains, position, speed } = this.state;
    this.order({ begin: { end: this.call.samples, gaps: this.call.gaps }, seek: position, gains: [...gains] });
    this.order({ speed, seek: position });
  }

  private report({ position, waiting, ended }: Report): void {
    if (!this.state.playing) return;
    this.state.position = position;
    this.state.waiting = waiting;
    if (ended) this.state.playing = false;
    this.changed(this.state);
    void this.pump();
  }

  /** Sees to it that the audio thread has what comes next. One at a time; whoever moved meanwhile is served anew. */
  private async pump(): Promise<void> {
    if (this.pumping || this.node === null || this.closed) return;
    this.pumping = true;
    try {
      for (let next = this.missing(); next.length > 0 && !this.closed; next = this.missing()) {
        await Promise.all(next.map((place) => this.give(place)));
      }
    } catch (error) {
      this.pause();
      this.failed(error);
    } finally {
      this.pumping = false;
    }
  }

  private missing(): number[] {
    const { entries, sampleRate } = this.call;
    const { position } = this.state;
    const from = this.sound.at(position);
    const missing: number[] = [];
    const end = position + AHEAD_S * Math.max(1, this.state.speed) * sampleRate;
    for (let place = from; place >= 0 && place < entries.length && entries[place]!.first < end; place++) {
      if (!this.given.has(place)) missing.push(place);
      // The very first clips alone, so that they are heard before others are fetched.
      if (missing.length === (place - from < 2 ? 1 : AT_ONCE)) break;
    }
    for (const place of this.given) {
      const entry = entries[place]!;
      if (entry.first + entry.samples < position - BEHIND_S * sampleRate || entry.first > end + 60 * sampleRate) {
        this.given.delete(place);
        this.order({ drop: entry.index });
      }
    }
    return missing;
  }

  private async give(place: number): Promise<void> {
    const chunk = await this.sound.clip(place);
    this.given.add(place);
    this.order({ chunk }); // a copy: the page keeps its own for jumps back
  }

  private order(order: Order): void {
    this.node?.port.postMessage(order);
  }
}

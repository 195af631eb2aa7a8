// The audio thread's end of the player.

import { type Chunk, Legs } from "./legs";

declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: unknown): void;

export interface Order {
  begin?: { end: number; gaps: [number, number][] };
  chunk?: Chunk;
  drop?: number;
  seek?: number;
  speed?: number;
  gains?: number[];
  playing?: boolean;
  close?: true;
}
export interface Report {
  position: number;
  waiting: boolean;
  ended: boolean;
}

const QUANTA_PER_REPORT = 3; // 48 ms at 8 kHz

class LegsProcessor extends AudioWorkletProcessor {
  private legs: Legs | null = null;
  private playing = false;
  private open = true;
  private quanta = 0;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<Order>) => this.take(data);
  }

  private take(order: Order): void {
    if (order.begin !== undefined) this.legs = new Legs(sampleRate, order.begin.end, order.begin.gaps);
    const { legs } = this;
    if (legs === null) return;
    if (order.chunk !== undefined) legs.put(order.chunk);
    if (order.drop !== undefined) legs.drop(order.drop);
    if (order.gains !== undefined) legs.gains = order.gains;
    if (order.speed !== undefined) {
      const { position } = legs;
      legs.speed = order.speed;
      legs.seek(position);
    }
    if (order.seek !== undefined) legs.seek(order.seek);
    if (order.playing !== undefined) this.playing = order.playing;
    if (order.close) {
      legs.clear();
      this.open = false;
    }
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const out = outputs[0]?.[0];
    const { legs } = this;
    if (!this.open || out === undefined) return this.open;
    if (legs === null || !this.playing) return true;
    const ended = legs.read(out);
    if (ended) this.playing = false;
    if (ended || ++this.quanta % QUANTA_PER_REPORT === 0) {
      const report: Report = { position: Math.round(legs.position), waiting: legs.waiting, ended };
      this.port.postMessage(report);
    }
    return true;
  }
}

registerProcessor("handschlag-legs", LegsProcessor);

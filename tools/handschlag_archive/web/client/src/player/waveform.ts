// The picture of a call: one lane per leg, drawn from what was decoded so far; what was not fetched yet is a thin line.
// Gaps are hatched, masked spans shaded, marks and the consent stand above. (wavesurfer.js puts a style element into
// the page, which our content security policy refuses, and wants all peaks at once, which nobody has: hence our own.)

import type { Call } from "../keeper/keeper";
import { BINS, type Sound } from "./sound";

export interface Moment {
  kind: "mark" | "consent" | "note";
  sample: number;
}

const TOP = 18; // pixels for what stands above the lanes

export class Waveform {
  readonly canvas: HTMLCanvasElement;
  moments: Moment[] = [];
  private frame = 0;
  private readonly watcher: ResizeObserver;

  constructor(
    private readonly call: Call,
    private readonly sound: Sound,
    private readonly masked: readonly (readonly [number, number])[],
    private readonly state: { position: number; gains: readonly number[] },
    onSeek: (sample: number) => void,
  ) {
    this.canvas = document.createElement("canvas");
    this.canvas.className = "wave";
    this.watcher = new ResizeObserver(() => this.draw());
    this.watcher.observe(this.canvas);
    const seek = (event: PointerEvent): void => {
      const box = this.canvas.getBoundingClientRect();
      onSeek(((event.clientX - box.left) / box.width) * this.call.samples);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.canvas.hasPointerCapture(event.pointerId)) seek(event);
    });
  }

  /** Draws at the next frame, once however often it is asked. */
  draw(): void {
    if (this.frame === 0) this.frame = requestAnimationFrame(() => this.paint());
  }

  close(): void {
    cancelAnimationFrame(this.frame);
    this.watcher.disconnect();
  }

  private paint(): void {
    this.frame = 0;
    const { canvas } = this;
    const scale = devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (width === 0 || height === 0) return;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d")!;
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const x = (sample: number): number => (sample / Math.max(1, this.call.samples)) * width;
    const lanes = this.call.channels;
    const lane = (height - TOP) / lanes;

    for (const [first, end] of this.masked) {
      context.fillStyle = colour("--masked");
      context.fillRect(x(first), TOP, Math.max(2, x(end) - x(first)), height - TOP);
    }
    for (const [first, samples] of this.call.gaps) this.hatch(context, x(first), x(first + samples), height, colour("--gap"));
    const played = x(this.state.position);
    for (let leg = 0; leg < lanes; leg++) {
      const middle = TOP + lane * (leg + 0.5);
      const loud = (this.state.gains[leg] ?? 1) > 0;
      context.globalAlpha = loud ? 1 : 0.3;
      this.line(context, middle, width, colour("--line"));
      this.bars(context, leg, middle, lane * 0.46, x, played, colour(leg === 0 ? "--far" : "--near"), colour(leg === 0 ? "--far-soft" : "--near-soft"));
      context.globalAlpha = 1;
    }
    for (const moment of this.moments) this.moment(context, x(moment.sample), moment.kind, height, colour);
    context.fillStyle = colour("--ink");
    context.fillRect(Math.max(0, Math.min(width - 2, played - 1)), TOP - 4, 2, height - TOP + 4);
  }

  private line(context: CanvasRenderingContext2D, middle: number, width: number, colour: string): void {
    context.fillStyle = colour;
    context.fillRect(0, middle - 0.5, width, 1);
  }

  private bars(
    context: CanvasRenderingContext2D,
    leg: number,
    middle: number,
    half: number,
    x: (sample: number) => number,
    played: number,
    before: string,
    after: string,
  ): void {
    const step = 3;
    const bars = new Map<number, number>(); // several bins to a bar, or several bars to a bin
    for (const [place, peaks] of this.sound.peaks) {
      const entry = this.call.entries[place]!;
      const begin = x(entry.first) / step;
      const wide = (x(entry.first + entry.samples) - x(entry.first)) / step;
      const count = Math.max(BINS, Math.ceil(wide));
      for (let at = 0; at < count; at++) {
        const peak = peaks[leg]![Math.floor((at * BINS) / count)]!;
        const bar = Math.floor(begin + (at * wide) / count);
        bars.set(bar, Math.max(bars.get(bar) ?? 0, peak));
      }
    }
    for (const [bar, peak] of bars) {
      const tall = Math.max(1, Math.min(1, Math.sqrt(peak)) * half); // the root: quiet voices are seen, too
      context.fillStyle = bar * step < played ? before : after;
      context.fillRect(bar * step, middle - tall, step - 1, 2 * tall);
    }
  }

  private hatch(context: CanvasRenderingContext2D, from: number, to: number, height: number, colour: string): void {
    const end = Math.max(to, from + 3);
    context.save();
    context.beginPath();
    context.rect(from, TOP, end - from, height - TOP);
    context.clip();
    context.strokeStyle = colour;
    context.lineWidth = 1.5;
    context.beginPath();
    for (let at = from - height; at < end; at += 7) {
      context.moveTo(at, height);
      context.lineTo(at + height, 0);
    }
    context.stroke();
    context.restore();
  }

  private moment(
    context: CanvasRenderingContext2D,
    at: number,
    kind: Moment["kind"],
    height: number,
    colour: (name: string) => string,
  ): void {
    const inside = Math.max(6, Math.min(this.canvas.clientWidth - 6, at));
    context.fillStyle = colour(kind === "consent" ? "--good" : kind === "mark" ? "--mark" : "--ink");
    context.globalAlpha = 0.5;
    context.fillRect(inside - 0.5, TOP - 2, 1, height - TOP);
    context.globalAlpha = 1;
    context.beginPath();
    if (kind === "consent") {
      context.lineWidth = 2.5;
      context.strokeStyle = colour("--good");
      context.moveTo(inside - 5, 8);
      context.lineTo(inside - 1, 12);
      context.lineTo(inside + 6, 3);
      context.stroke();
    } else if (kind === "mark") {
      for (let at = 0; at < 10; at++) {
        const radius = at % 2 === 0 ? 7 : 3;
        const angle = (Math.PI * at) / 5 - Math.PI / 2;
        context.lineTo(inside + radius * Math.cos(angle), 8 + radius * Math.sin(angle));
      }
      context.fill();
    } else {
      context.fillRect(inside - 5, 3, 10, 9);
    }
  }
}

// Listening: the waveform, the buttons and the keys. Clips are fetched as they are needed; a short call is fetched whole
// once it plays, so that its picture is complete.

import type { App } from "../app";
import { el, replace } from "../dom";
import type { Call } from "../keeper/keeper";
import { Player, type State } from "../player/player";
import { Sound } from "../player/sound";
import { type Moment, Waveform } from "../player/waveform";
import type { Session } from "../session";
import { duration, words } from "../words";
import { saveSound } from "./save";

const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
const STEP_S = 10;
const WHOLE_PICTURE_CLIPS = 150; // five minutes

export interface Listen {
  element: HTMLElement;
  seekSeconds: (seconds: number) => void;
  positionSeconds: () => number;
  setNotes: (seconds: readonly number[]) => void;
  onNoteKey: () => void;
  close: () => void;
}

export function listenCard(app: App, session: Session, call: Call): Listen {
  const text = words().call;
  const rate = call.sampleRate;
  const sound = new Sound(call, session.keeper);
  const message = el("p", { class: "message", role: "alert" });
  const failed = (error: unknown): void => replace(message, `${text.stopped}: ${app.explain(error)}`);
  const player = new Player(call, sound, changed, failed);
  const wave = new Waveform(call, sound, maskedOf(call), player.state, (sample) => player.seek(sample));
  const own = momentsOf(call);
  wave.moments = own;

  const slider = el("div", {
    class: "seek",
    role: "slider",
    tabindex: "0",
    "aria-label": text.position,
    "aria-valuemin": 0,
    "aria-valuemax": Math.ceil(call.samples / rate),
  });
  slider.append(wave.canvas);
  const playButton = el("button", { type: "button", class: "play", id: "play", click: () => void player.toggle() });
  const clock = el("output", { class: "clock" });
  const waiting = el("span", { class: "quiet wait", role: "status" });
  const speed = el("select", { id: "speed", "aria-label": text.speed, change: () => player.setSpeed(Number(speed.value)) }, ...SPEEDS.map((each) => el("option", { value: each, selected: each === 1 }, `${String(each).replace(".", text.play === "Play" ? "." : ",")}×`)));
  const legNames = namesOfLegs(call);
  const legs = legNames.map((name, leg) => {
    const button = el("button", { type: "button", class: `leg leg-${leg}`, "aria-pressed": "true", title: text.mute(name), click: () => flip(leg) }, el("span", { class: "dot", "aria-hidden": "true" }), name);
    return button;
  });
  const element = el(
    "section",
    { class: "card listen", "aria-label": text.play },
    slider,
    el(
      "div",
      { class: "controls" },
      el("button", { type: "button", class: "round", id: "backward", "aria-label": text.backward, title: text.backward, click: () => step(-STEP_S) }, "−10"),
      playButton,
      el("button", { type: "button", class: "round", id: "forward", "aria-label": text.forward, title: text.forward, click: () => step(STEP_S) }, "+10"),
      clock,
      waiting,
      el("span", { class: "spring" }),
      el("div", { class: "legs" }, ...legs),
      speed,
    ),
    message,
    legend(call),
    el("div", { class: "below" }, el("p", { class: "hint keys" }, text.keys), saveSound(app, session, call, sound)),
  );
  element.dataset.clips = "0";

  function changed(state: State): void {
    replace(playButton, state.playing ? "❚❚" : "▶");
    playButton.setAttribute("aria-label", state.playing ? text.pause : text.play);
    playButton.title = state.playing ? text.pause : text.play;
    const at = duration(state.position / rate);
    const all = duration(call.samples / rate);
    replace(clock, `${at} / ${all}`);
    replace(waiting, state.playing && state.waiting ? text.waiting : "");
    slider.setAttribute("aria-valuenow", String(Math.floor(state.position / rate)));
    slider.setAttribute("aria-valuetext", text.of(at, all));
    element.dataset.playing = String(state.playing && !state.waiting);
    element.dataset.position = String(state.position);
    element.dataset.clips = String(sound.peaks.size);
    for (const [leg, button] of legs.entries()) button.setAttribute("aria-pressed", String(state.gains[leg] !== 0));
    wave.draw();
    if (state.playing) void paintWhole();
  }

  function step(seconds: number): void {
    player.seek(player.state.position + seconds * rate);
  }
  function flip(leg: number): void {
    if (leg < call.channels) player.setGain(leg, player.state.gains[leg] === 0 ? 1 : 0);
  }
  function faster(by: number): void {
    const next = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, SPEEDS.indexOf(player.state.speed) + by))]!;
    speed.value = String(next);
    player.setSpeed(next);
  }

  let painting = false;
  async function paintWhole(): Promise<void> {
    if (painting || call.entries.length > WHOLE_PICTURE_CLIPS) return;
    painting = true;
    try {
      for (let place = 0; place < call.entries.length && !closed; place++) {
        if (sound.peaks.has(place)) continue;
        await sound.clip(place);
        element.dataset.clips = String(sound.peaks.size);
        wave.draw();
      }
    } catch (error) {
      if (!closed) failed(error);
    }
  }

  const actions: Record<string, () => void> = {
    " ": () => void player.toggle(),
    k: () => void player.toggle(),
    ArrowLeft: () => step(-STEP_S),
    ArrowRight: () => step(STEP_S),
    ArrowUp: () => faster(1),
    ArrowDown: () => faster(-1),
    "1": () => flip(0),
    "2": () => flip(1),
    Home: () => player.seek(0),
    End: () => player.seek(call.samples),
    n: () => listen.onNoteKey(),
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target as HTMLElement;
    if (target.closest("input, textarea, select, summary, dialog")) return;
    if (event.key === " " && target.closest("button, a")) return; // a button is pressed by the space bar itself
    const action = actions[event.key];
    if (action === undefined) return;
    if (/^Arrow(Up|Down)|^(Home|End)$/.test(event.key) && !target.closest(".listen")) return; // the page scrolls
    event.preventDefault();
    action();
  };
  document.addEventListener("keydown", onKey);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const redraw = (): void => wave.draw();
  dark.addEventListener("change", redraw);

  let closed = false;
  const listen: Listen = {
    element,
    seekSeconds: (seconds) => player.seek(seconds * rate),
    positionSeconds: () => player.state.position / rate,
    setNotes: (seconds) => {
      wave.moments = [...own, ...seconds.map((at): Moment => ({ kind: "note", sample: at * rate }))];
      wave.draw();
    },
    onNoteKey: () => undefined,
    close: () => {
      closed = true;
      document.removeEventListener("keydown", onKey);
      dark.removeEventListener("change", redraw);
      wave.close();
      void player.close();
    },
  };
  changed(player.state);
  return listen;
}

export function namesOfLegs(call: Call): string[] {
  const text = words().call;
  if (call.channels === 1) return [text.mix];
  return [call.row.direction === "out" ? text.farOut : text.far, text.near];
}

/** Spans in which keys were silenced, in samples. */
function maskedOf(call: Call): [number, number][] {
  const spans = call.details.flatMap((part) => (Array.isArray(part.masked) ? (part.masked as unknown[]) : []));
  return spans.filter(
    (span): span is [number, number] => Array.isArray(span) && span.length === 2 && span.every((each) => typeof each === "number"),
  );
}

export function marksOf(call: Call): number[] {
  const marks = call.details.flatMap((part) => {
    const found = part.marks_s ?? part.marks;
    return Array.isArray(found) ? (found as unknown[]) : [];
  });
  return marks.filter((mark): mark is number => typeof mark === "number");
}

/** When it was agreed, in seconds from the beginning: 0 where that was before. */
export function consentSeconds(call: Call, at: string): number {
  return Math.max(0, (Date.parse(at) - Date.parse(call.row.at)) / 1000);
}

function momentsOf(call: Call): Moment[] {
  return [
    ...call.consent.map((each): Moment => ({ kind: "consent", sample: consentSeconds(call, each.at) * call.sampleRate })),
    ...marksOf(call).map((mark): Moment => ({ kind: "mark", sample: mark * call.sampleRate })),
  ];
}

function legend(call: Call): HTMLElement {
  const text = words().call;
  const item = (kind: string, name: string): HTMLElement => el("li", {}, el("span", { class: `key key-${kind}`, "aria-hidden": "true" }), name);
  return el(
    "ul",
    { class: "legend", "aria-label": text.legend },
    item("consent", text.consent),
    marksOf(call).length > 0 ? item("mark", text.mark) : null,
    call.gaps.length > 0 ? item("gap", text.gap) : null,
    maskedOf(call).length > 0 ? item("masked", text.masked) : null,
  );
}

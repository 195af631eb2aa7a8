// The sound of a call as a file: every clip opened and decoded, gaps as silence, 16 bits, told to the log with a reason.

import type { App } from "../app";
import { el, field, replace } from "../dom";
import type { Call } from "../keeper/keeper";
import type { Sound } from "../player/sound";
import { wavOf } from "../player/wav";
import type { Session } from "../session";
import { words } from "../words";

export function saveSound(app: App, session: Session, call: Call, sound: Sound): HTMLElement {
  const text = words().call;
  const reason = el("input", { id: "save-reason", maxlength: 300, required: true, minlength: 3 });
  const message = el("p", { class: "message", role: "alert" });
  const progress = el("p", { class: "quiet", role: "status" });
  const go = el("button", { type: "submit", id: "save-go" }, text.save);
  const form = el("form", { novalidate: true }, field(text.saveReason, reason), go, progress, message);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (reason.value.trim().length < 3) return void reason.focus();
    replace(message);
    go.disabled = true;
    void save()
      .catch((error: unknown) => replace(message, app.explain(error)))
      .finally(() => {
        go.disabled = false;
        replace(progress);
      });
  });

  async function save(): Promise<void> {
    const { box, recording } = call.row;
    await session.api.tell("export", reason.value.trim(), { box, recording });
    const all = call.entries.length;
    const legs = Array.from({ length: call.channels }, () => new Float32Array(call.samples));
    for (let place = 0; place < all; place++) {
      const chunk = await sound.clip(place);
      for (const [leg, samples] of chunk.legs.entries()) legs[leg]!.set(samples, chunk.first);
      if (place % 10 === 0) replace(progress, text.saving(place, all));
    }
    const url = URL.createObjectURL(new Blob([wavOf(legs, call.sampleRate)], { type: "audio/wav" }));
    const name = `${call.row.at.slice(0, 16).replace("T", "_").replaceAll(":", "-")}_${recording.slice(0, 8)}.wav`;
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  }

  return el("details", { class: "save" }, el("summary", {}, text.save), form);
}

// Logging in: the password is stretched here; the server gets the login secret only, and gives back the wrapped keys.

import { ApiError, type Person } from "../api";
import type { App, Page } from "../app";
import { el, field, replace } from "../dom";
import { SealedError } from "../sealed/errors";
import { fromPaper } from "../sealed/person";
import { Session, deviceSecret, keepDeviceSecret, startKeeper } from "../session";
import { words } from "../words";

export function loginPage(app: App): Page {
  const text = words().login;
  const name = el("input", { name: "name", autocomplete: "username", required: true, maxlength: 64, "data-focus": true });
  const password = el("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const code = el("input", { name: "code", inputmode: "numeric", autocomplete: "one-time-code", pattern: "[0-9]{6}", maxlength: 6 });
  const device = el("input", { name: "device", autocomplete: "off", autocapitalize: "characters", spellcheck: "false", maxlength: 40 });
  const codeField = el("div", { hidden: true }, field(text.code, code));
  const deviceField = el("div", { hidden: true }, field(text.device, device, text.deviceHint));
  const message = el("p", { class: "message", role: "alert" });
  const go = el("button", { type: "submit", class: "main" }, text.go);
  const form = el("form", { class: "narrow card", novalidate: true }, el("h1", {}, text.title));
  if (app.notice !== null) {
    form.append(el("p", { class: "notice", role: "status" }, app.notice));
    app.notice = null;
  }
  form.append(field(text.name, name), field(text.password, password), codeField, deviceField, message, go);
  form.append(el("p", { class: "hint" }, text.private));

  const say = (what: string): void => replace(message, what);
  const askForDevice = async (): Promise<void> => {
    deviceField.hidden = name.value.trim() === "" || (await deviceSecret(name.value)) !== null;
  };
  name.addEventListener("change", () => void askForDevice());

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    say("");
    go.disabled = true;
    replace(go, text.working);
    void logIn().finally(() => {
      go.disabled = false;
      replace(go, text.go);
    });
  });

  async function logIn(): Promise<void> {
    const started = startKeeper();
    let keeps = false;
    try {
      let secret = await deviceSecret(name.value);
      if (device.value.trim() !== "") secret = await fromPaper(device.value);
      const how = await app.api.begin(name.value);
      const login = await started.keeper.stretch(password.value, how.salt, how.memory_kib, how.passes);
      const answer = await app.api.login(name.value, login, code.value.trim() === "" ? undefined : code.value.trim());
      if ("second_factor_needed" in answer) {
        codeField.hidden = false;
        code.focus();
        return;
      }
      app.api.csrf = answer.csrf;
      keeps = await enter(answer, secret, started);
    } catch (error) {
      say(wrong(app, error));
    } finally {
      if (!keeps) {
        void started.keeper.wipe().finally(() => started.worker.terminate());
      }
    }
  }

  async function enter(
    person: Person,
    secret: Uint8Array<ArrayBuffer> | null,
    started: ReturnType<typeof startKeeper>,
  ): Promise<boolean> {
    const session = new Session(app.api, person, started.keeper, started.worker);
    started.on.add((event, value) => session.events.forEach((each) => each(event, value)));
    if (person.wrapped !== null) {
      if (secret === null) {
        deviceField.hidden = false;
        device.focus();
        await app.api.logout().catch(() => undefined);
        say(text.newDevice);
        return false;
      }
      try {
        await started.keeper.unlock(person.wrapped, secret, person.person);
      } catch (error) {
        await app.api.logout().catch(() => undefined);
        deviceField.hidden = false;
        say(error instanceof SealedError && error.kind === "key" ? text.noKeys : wrong(app, error));
        return false;
      }
      await keepDeviceSecret(name.value, secret);
    }
    password.value = "";
    code.value = "";
    device.value = "";
    if (person.role !== "technician") {
      const { owner, ownKid } = await started.keeper.setTrust(await app.api.trust());
      session.ownerDiffers = ownKid !== null && !owner.includes(ownKid);
    }
    app.begin(session);
    return true;
  }

  queueMicrotask(() => {
    if (!globalThis.isSecureContext) say(text.insecure);
    else void checkBrowser().then((good) => good || say(text.old));
  });
  return { title: text.title, element: form };
}

function wrong(app: App, error: unknown): string {
  const text = words().login;
  if (error instanceof ApiError && error.word === "bad-login") return text.wrong;
  if (error instanceof ApiError && error.word === "bad-code") return text.wrongCode;
  if (error instanceof SealedError && error.message.startsWith("device code")) return text.wrongDevice;
  return app.explain(error);
}

async function checkBrowser(): Promise<boolean> {
  try {
    await crypto.subtle.importKey("raw", new Uint8Array(32).fill(1), "Ed25519", false, ["verify"]);
    return true;
  } catch (error) {
    return !(error instanceof DOMException && error.name === "NotSupportedError");
  }
}

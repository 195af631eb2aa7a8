// Accepting an invitation: a password is chosen, the keys are wrapped anew with it, and the device code goes on paper. The
// first owner brings the key file instead of being given keys.

import { ApiError, type Invited } from "../api";
import type { App, Page } from "../app";
import { el, field, replace } from "../dom";
import { fromBase64url } from "../sealed/bytes";
import { decode, integer, oneOf, struct, text as textForm } from "../sealed/form";
import { DEVICE_SECRET_BYTES, MIN_PASSWORD, toPaper } from "../sealed/person";
import { keepDeviceSecret, startKeeper } from "../session";
import { words } from "../words";

const keyFile = struct({
  version: oneOf(1),
  kind: oneOf("handschlag-owner-secret"),
  generation: integer(1, 10_000),
  kid: textForm(/^[A-Za-z0-9_-]{43}$/, "a key id"),
  secret: textForm(/^[A-Za-z0-9_-]{43}$/, "a secret"),
});

export function invitePage(app: App, id: string, token: string, deviceText: string | null): Page {
  const element = el("div", { class: "narrow card" }, el("h1", {}, words().invite.title), el("p", {}, words().loading));
  void app.api.openInvitation(id, token).then(
    (invited) => replace(element, ...choose(app, id, token, deviceText, invited, element)),
    (error: unknown) => {
      const gone = error instanceof ApiError && error.status === 404;
      replace(element, el("h1", {}, words().invite.title), el("p", { class: "message", role: "alert" }, gone ? words().invite.used : app.explain(error)));
    },
  );
  return { title: words().invite.title, element };
}

function choose(
  app: App,
  id: string,
  token: string,
  deviceText: string | null,
  invited: Invited,
  element: HTMLElement,
): (Node | string)[] {
  const text = words().invite;
  const holdsKeys = invited.role === "owner" || invited.role === "staff";
  const bringsKey = holdsKeys && invited.wrapped === null;
  const user = el("input", { name: "username", autocomplete: "username", value: invited.name, hidden: true, "aria-hidden": "true", tabindex: "-1" });
  const password = el("input", { name: "password", type: "password", autocomplete: "new-password", minlength: MIN_PASSWORD, required: true, "data-focus": true });
  const repeat = el("input", { name: "repeat", type: "password", autocomplete: "new-password", required: true });
  const file = el("input", { name: "owner", type: "file", accept: ".key,.json,application/json" });
  const message = el("p", { class: "message", role: "alert" });
  const go = el("button", { type: "submit", class: "main" }, text.go);
  const form = el(
    "form",
    { novalidate: true },
    user,
    field(text.password, password, text.passwordHint),
    field(text.repeat, repeat),
    bringsKey ? field(text.owner, file, text.ownerHint) : null,
    message,
    go,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    replace(message);
    if ([...password.value.normalize("NFKC")].length < MIN_PASSWORD) return replace(message, text.short);
    if (password.value !== repeat.value) return replace(message, text.differs);
    go.disabled = true;
    void accept().catch((error: unknown) => {
      go.disabled = false;
      const gone = error instanceof ApiError && error.status === 404;
      replace(message, gone ? text.used : app.explain(error));
    });
  });

  async function accept(): Promise<void> {
    const { keeper, worker } = startKeeper();
    try {
      const device =
        deviceText === null
          ? crypto.getRandomValues(new Uint8Array(DEVICE_SECRET_BYTES))
          : fromBase64url(deviceText, "device secret", DEVICE_SECRET_BYTES);
      if (bringsKey) {
        const secret = await readOwner(file);
        if (secret === null) {
          go.disabled = false;
          return replace(message, text.badOwner);
        }
        await keeper.takeOwner(secret);
      } else if (invited.wrapped !== null) {
        await keeper.acceptInvitation(invited.wrapped, device);
      }
      const { salt, login } = await keeper.stretchNew(password.value);
      const wrapped = holdsKeys ? await keeper.wrapFor(invited.person, device) : undefined;
      await app.api.accept(id, { token, salt, login, ...(wrapped === undefined ? {} : { wrapped }) });
      password.value = "";
      repeat.value = "";
      if (!holdsKeys) return app.go("#/");
      await keepDeviceSecret(invited.name, device);
      history.replaceState(null, "", "#/"); // the link is used, and must not stay in the history
      replace(element, ...paper(app, await toPaper(device), invited.name));
      element.querySelector("h1")?.focus();
    } finally {
      void keeper.wipe().finally(() => worker.terminate());
    }
  }

  return [el("h1", {}, text.title), el("p", {}, text.text(invited.name, words().roles[invited.role])), form];
}

function paper(app: App, code: string, name: string): Node[] {
  const text = words().invite;
  return [
    el("h1", { tabindex: "-1" }, text.paperTitle),
    el("p", { class: "paper", id: "device-code" }, el("span", {}, code.slice(0, 20)), el("span", {}, code.slice(20))),
    el("p", { class: "quiet" }, name),
    el("p", {}, text.paper),
    el(
      "div",
      { class: "buttons" },
      el("button", { type: "button", class: "plain", click: () => window.print() }, text.print),
      el("button", { type: "button", class: "main", id: "to-login", click: () => app.go("#/") }, text.next),
    ),
  ];
}

async function readOwner(input: HTMLInputElement): Promise<Uint8Array<ArrayBuffer> | null> {
  const file = input.files?.[0];
  if (file === undefined || file.size > 4096) return null;
  try {
    const found = decode(new Uint8Array(await file.arrayBuffer()), keyFile, "key file");
    return fromBase64url(found.secret, "secret", 32);
  } catch {
    return null;
  }
}

// Who has an account; an owner invites others. The keys for them are wrapped here with a fresh device secret, which
// stands in the link's fragment: the server never sees it.

import { ApiError, type Person } from "../api";
import type { App, Page } from "../app";
import { el, field, replace } from "../dom";
import type { Session } from "../session";
import { date, words } from "../words";

const ROLES = ["staff", "owner", "data-protection", "technician"] as const;

export function peoplePage(app: App, session: Session): Page {
  const text = words().people;
  const list = el("ul", { class: "plain-list" }, el("li", { class: "quiet" }, words().loading));
  const name = el("input", { name: "person", maxlength: 64, required: true, autocomplete: "off" });
  const role = el("select", { name: "role" }, ...ROLES.map((each) => el("option", { value: each }, words().roles[each])));
  const message = el("p", { class: "message", role: "alert" });
  const result = el("div", { "aria-live": "polite" });
  const go = el("button", { type: "submit", class: "main", id: "invite" }, text.invite);
  const form = el("form", { novalidate: true }, field(text.name, name), field(text.role, role), message, go, result);
  const element = el(
    "article",
    { class: "narrow card" },
    el("h1", { tabindex: "-1", "data-focus": true }, text.title),
    list,
    el("h2", {}, text.invite),
    form,
    el("p", { class: "back" }, el("a", { href: "#/" }, `← ${words().back}`)),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (name.value.trim() === "") return void name.focus();
    replace(message);
    replace(result);
    go.disabled = true;
    void invite()
      .catch((error: unknown) => {
        const taken = error instanceof ApiError && error.status === 409;
        replace(message, taken ? text.taken : app.explain(error));
      })
      .finally(() => (go.disabled = false));
  });

  async function invite(): Promise<void> {
    const wanted = role.value as Person["role"];
    const holdsKeys = wanted === "owner" || wanted === "staff";
    const made = holdsKeys ? await session.keeper.invite(wanted === "owner") : null;
    const { id, token, expires_at } = await session.api.invite(name.value.trim(), wanted, made?.wrapped ?? null);
    const link = `${location.origin}/#/invite/${id}.${token}${made === null ? "" : `.${made.device}`}`;
    const copy = el("button", { type: "button", click: () => void navigator.clipboard.writeText(link).then(() => replace(copy, text.copied)) }, text.copy);
    replace(result, el("p", {}, text.linkText(date(expires_at))), el("p", { class: "link-text", id: "link" }, link), copy);
    name.value = "";
    await load();
  }

  async function load(): Promise<void> {
    const { people, invitations } = await session.api.people();
    replace(
      list,
      ...people.map((each) => el("li", {}, el("strong", {}, each.name), " ", el("span", { class: "quiet" }, words().roles[each.role]))),
      ...invitations.map((each) =>
        el("li", {}, el("span", {}, each.name), " ", el("span", { class: "quiet" }, `${words().roles[each.role]}, ${text.invited(date(each.expires_at))}`)),
      ),
    );
  }

  void load().catch((error: unknown) => replace(list, el("li", { class: "message" }, app.explain(error))));
  return { title: text.title, element };
}

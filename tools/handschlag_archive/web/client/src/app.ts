// The page: which view is shown, who is logged in. Addresses live in the fragment, which no browser sends anywhere.

import { Api, ApiError } from "./api";
import { el, replace } from "./dom";
import { aboutPage } from "./pages/about";
import { callPage } from "./pages/call";
import { invitePage } from "./pages/invite";
import { listPage } from "./pages/list";
import { peoplePage } from "./pages/people";
import { loginPage } from "./pages/login";
import { type Session } from "./session";
import { currentLanguage, switchLanguage, words } from "./words";

/** A view; `close` ends what it has begun. */
export interface Page {
  title: string;
  element: HTMLElement;
  close?: () => void;
}

export class App {
  readonly api = new Api();
  session: Session | null = null;
  /** Why somebody is asked to log in, to be said once. */
  notice: string | null = null;
  private page: Page | null = null;
  private readonly main = el("main", { id: "main", tabindex: "-1" });
  private readonly header = el("header", { class: "bar" });
  private readonly footer = el("footer", { class: "foot" });
  private readonly announcer = el("div", { class: "unseen", role: "status", "aria-live": "polite" });

  constructor(root: HTMLElement) {
    const skip = el("a", { href: "#main", class: "skip", click: (event: Event) => this.skip(event) }, words().skip);
    root.append(skip, this.header, this.main, this.footer, this.announcer);
    window.addEventListener("hashchange", () => this.show());
    this.api.onEnd = () => void this.leave(words().login.expired, false);
    this.show();
  }

  go(hash: string): void {
    if (location.hash === hash) this.show();
    else location.hash = hash;
  }

  /** Says something to those who do not see it. */
  announce(text: string): void {
    this.announcer.textContent = text;
  }

  begin(session: Session): void {
    this.session = session;
    this.show(); // where the address points to: perhaps at a call
  }

  async leave(notice: string, tell = true): Promise<void> {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    this.notice = notice;
    history.replaceState(null, "", "#/");
    const told = tell ? this.api.logout().catch(() => undefined) : null;
    this.api.csrf = "";
    this.show();
    await Promise.all([session.end(), told]);
  }

  /** What went wrong, in words. */
  explain(error: unknown): string {
    if (error instanceof ApiError) {
      if (error.status === 429) return words().login.locked(error.retryAfter ?? 60);
      return `${words().oops} (${error.message}).`;
    }
    if (error instanceof TypeError) return words().login.offline;
    return error instanceof Error && error.message !== "" ? error.message : words().oops;
  }

  show(): void {
    this.page?.close?.();
    document.documentElement.lang = currentLanguage();
    this.page = this.route();
    document.title = `${this.page.title} · ${words().product}`;
    replace(this.main, this.page.element);
    this.frame();
    window.scrollTo(0, 0);
    const focused = this.main.querySelector<HTMLElement>("[data-focus]");
    if (focused !== null) focused.focus();
    else this.main.focus({ preventScroll: true });
  }

  private route(): Page {
    const { hash } = location;
    if (hash === "#/about") return aboutPage();
    const invited = /^#\/invite\/([0-9a-f]{32})\.([A-Za-z0-9_-]{43})(?:\.([A-Za-z0-9_-]{22}))?$/.exec(hash);
    if (invited !== null) return invitePage(this, invited[1]!, invited[2]!, invited[3] ?? null);
    if (this.session === null) return loginPage(this);
    const call = /^#\/call\/([a-z0-9-]{1,32})\/([0-9a-f-]{36})$/.exec(hash);
    if (call !== null && this.session.hasKeys) return callPage(this, this.session, call[1]!, call[2]!);
    if (hash === "#/people" && this.session.person.role === "owner") return peoplePage(this, this.session);
    return listPage(this, this.session);
  }

  private frame(): void {
    const { session } = this;
    const text = words();
    replace(
      this.header,
      el("a", { href: "#/", class: "brand" }, mark(), el("span", {}, text.product), " ", el("span", { class: "quiet" }, text.archive)),
      session === null
        ? null
        : el(
            "div",
            { class: "who" },
            session.person.role === "owner" ? el("a", { href: "#/people", id: "people" }, text.people.title) : null,
            el("span", { class: "quiet" }, `${session.person.name} · ${text.roles[session.person.role]}`),
            el("button", { type: "button", class: "plain", id: "logout", click: () => void this.leave(words().login.ended) }, text.logout),
          ),
    );
    const other = currentLanguage() === "de" ? "en" : "de";
    const flip = (): void => {
      switchLanguage();
      this.show();
    };
    replace(
      this.footer,
      el("a", { href: "#/about" }, text.about),
      el("button", { type: "button", class: "plain", lang: other, click: flip }, text.language),
    );
  }

  private skip(event: Event): void {
    event.preventDefault();
    this.main.focus();
  }
}

/** Two hands that meet, as two arcs. */
function mark(): SVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 32 32");
  svg.setAttribute("aria-hidden", "true");
  for (const [d, kind] of [
    ["M4 18a8 8 0 0 1 14 0", "far"],
    ["M14 14a8 8 0 0 0 14 0", "near"],
  ] as const) {
    const path = document.createElementNS(space, "path");
    path.setAttribute("d", d);
    path.setAttribute("class", kind);
    svg.append(path);
  }
  return svg;
}

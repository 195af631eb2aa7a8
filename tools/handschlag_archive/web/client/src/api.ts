// The server's routes, as functions. Every change carries the session's token against cross-site requests; a session that
// is over is told to whoever logged in.

import { type Bytes, readUint32 } from "./sealed/bytes";

export interface Person {
  person: string;
  name: string;
  role: "owner" | "staff" | "data-protection" | "technician";
  csrf: string;
  wrapped: string | null;
  totp: boolean;
}
export interface Stretching {
  salt: string;
  memory_kib: number;
  passes: number;
}
export interface Listed {
  box: string;
  recording: string;
  state: string;
  stored_at: string | null;
  manifest: string | null;
  retain_until: string | null;
  kept_for: string | null;
  held: boolean;
  size: number;
  notes: number;
}
export interface Month {
  month: string;
  stored: number;
  ended: number;
  changed: string | null;
}
export interface StoredNote {
  id: number;
  person: string;
  at: string;
  data: string;
}
export interface Invited {
  name: string;
  role: Person["role"];
  person: string;
  wrapped: string | null;
}

/** The server said no; `word` is for programs. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly word: string,
    readonly retryAfter: number | null,
  ) {
    super(`${status} ${word}`);
    this.name = "ApiError";
  }
}

export class Api {
  csrf = "";
  /** Called when the server knows the session no more. */
  onEnd: () => void = () => undefined;

  begin = (name: string): Promise<Stretching> => this.json("POST", "/api/login/begin", { name });

  login = (name: string, login: string, code?: string): Promise<Person | { second_factor_needed: true }> =>
    this.json("POST", "/api/login", { name, login, ...(code === undefined ? {} : { code }) });

  logout = (): Promise<void> => this.nothing("POST", "/api/logout");

  password = (form: { old: string; salt: string; login: string; wrapped?: string }): Promise<void> =>
    this.nothing("POST", "/api/password", form);

  openInvitation = (id: string, token: string): Promise<Invited> =>
    this.json("POST", `/api/invitations/${id}/open`, { token });

  accept = (id: string, form: { token: string; salt: string; login: string; wrapped?: string }): Promise<{ person: string }> =>
    this.json("POST", `/api/invitations/${id}/accept`, form);

  people = (): Promise<{
    people: { person: string; name: string; role: Person["role"] }[];
    invitations: { id: string; name: string; role: Person["role"]; expires_at: string }[];
  }> => this.json("GET", "/api/people");

  invite = (
    name: string,
    role: Person["role"],
    wrapped: string | null,
  ): Promise<{ id: string; token: string; expires_at: string }> =>
    this.json("POST", "/api/invitations", { name, role, ...(wrapped === null ? {} : { wrapped }) });

  months = async (): Promise<Month[]> => (await this.json<{ months: Month[] }>("GET", "/api/months")).months;

  recordings = (month: string, after?: string): Promise<{ rows: Listed[]; next: string | null }> =>
    this.json("GET", `/api/recordings?month=${month}&limit=1000${after === undefined ? "" : `&after=${encodeURIComponent(after)}`}`);

  recording = (box: string, recording: string): Promise<Listed & { files: { name: string; size: number }[] }> =>
    this.json("GET", `/api/recordings/${box}/${recording}`);

  trust = (): Promise<Bytes> => this.bytes("GET", "/api/trust");

  /** What list rows need, by `box/recording`: names and bytes; a file that the archive lost is missing. */
  async openings(recordings: readonly [string, string][]): Promise<Map<string, Map<string, Bytes>>> {
    return readBundle(await this.bytes("POST", "/api/openings", { recordings }));
  }

  /** Which months have a sealed index. */
  indexes = async (): Promise<Set<string>> => {
    const { indexes } = await this.json<{ indexes: { month: string }[] }>("GET", "/api/indexes");
    return new Set(indexes.map((each) => each.month));
  };

  /** A month's sealed index and its tag; null where there is none. */
  async index(month: string): Promise<{ data: Bytes; tag: string } | null> {
    const answer = await this.send("GET", `/api/indexes/${month}`);
    if (answer.status === 404) return null;
    await this.check(answer);
    return { data: new Uint8Array(await answer.arrayBuffer()), tag: answer.headers.get("etag") ?? "" };
  }

  /** Stores a month's index over the one with that tag, made while so many recordings had ended; false: it is old news. */
  async putIndex(month: string, data: Bytes, tag: string | null, ended: number): Promise<boolean> {
    const over: Record<string, string> = tag === null ? { "if-none-match": "*" } : { "if-match": tag };
    const answer = await this.send("PUT", `/api/indexes/${month}?ended=${ended}`, data, over);
    if (answer.status === 412) return false;
    await this.check(answer);
    return true;
  }

  notes = async (box: string, recording: string): Promise<StoredNote[]> =>
    (await this.json<{ notes: StoredNote[] }>("GET", `/api/recordings/${box}/${recording}/notes`)).notes;

  addNote = async (box: string, recording: string, sealed: Bytes): Promise<void> => {
    await this.check(await this.send("POST", `/api/recordings/${box}/${recording}/notes`, sealed));
  };

  /** Lines of a box's ledger from entry `first` on. */
  ledger = (box: string, first: number, count: number): Promise<{ lines: string[]; next: number | null }> =>
    this.json("GET", `/api/ledger/${box}?first=${first}&count=${count}`);

  tell = (what: "export" | "search-person", reason: string, about?: { box: string; recording: string }): Promise<void> =>
    this.nothing("POST", "/api/audit", { what, reason, ...about });

  private async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.send(method, path, body);
    await this.check(answer);
    return (await answer.json()) as T;
  }

  private async bytes(method: string, path: string, body?: unknown): Promise<Bytes> {
    const answer = await this.send(method, path, body);
    await this.check(answer);
    return new Uint8Array(await answer.arrayBuffer());
  }

  private async nothing(method: string, path: string, body?: unknown): Promise<void> {
    await this.check(await this.send(method, path, body));
  }

  private send(method: string, path: string, body?: unknown, more: Record<string, string> = {}): Promise<Response> {
    const headers: Record<string, string> = { ...more };
    if (method !== "GET") headers["x-handschlag-csrf"] = this.csrf;
    const raw = body instanceof Uint8Array;
    if (body !== undefined) headers["content-type"] = raw ? "application/octet-stream" : "application/json";
    const sent = body === undefined ? null : raw ? (body as Bytes) : JSON.stringify(body);
    return fetch(path, { method, headers, body: sent, credentials: "same-origin", cache: "no-store", redirect: "error" });
  }

  private async check(answer: Response): Promise<void> {
    if (answer.ok) return;
    let word = "";
    try {
      const said: unknown = await answer.json();
      word = String((said as { error?: unknown; word?: unknown }).error ?? (said as { word?: unknown }).word ?? "");
    } catch {
      // no JSON: the status says enough
    }
    const wait = Number(answer.headers.get("retry-after"));
    if (answer.status === 401 && word === "no-session") this.onEnd();
    throw new ApiError(answer.status, word, wait > 0 ? wait : null);
  }
}

const LOST = 0xffffffff;

/** "HSB1", then for each file: u16, its label `box/recording/name`, u32, its bytes. */
export function readBundle(data: Bytes): Map<string, Map<string, Bytes>> {
  const reader = new TextDecoder("utf-8", { fatal: true });
  const found = new Map<string, Map<string, Bytes>>();
  const cut = (): never => {
    throw new Error("the answer to openings is cut off");
  };
  if (data.length < 4 || reader.decode(data.subarray(0, 4)) !== "HSB1") cut();
  let at = 4;
  while (at < data.length) {
    if (at + 2 > data.length) cut();
    const labelEnd = at + 2 + ((data[at]! << 8) | data[at + 1]!);
    if (labelEnd + 4 > data.length) cut();
    const [box, recording, name] = reader.decode(data.subarray(at + 2, labelEnd)).split("/");
    if (box === undefined || recording === undefined || name === undefined) return cut();
    const size = readUint32(data, labelEnd);
    at = labelEnd + 4;
    const key = `${box}/${recording}`;
    const files = found.get(key) ?? new Map<string, Bytes>();
    found.set(key, files);
    if (size === LOST) continue;
    if (at + size > data.length) cut();
    files.set(name, data.slice(at, at + size));
    at += size;
  }
  return found;
}

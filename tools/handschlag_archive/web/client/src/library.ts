// All calls that this workshop has, as rows. Months are read from their sealed indexes where there is one; what an index
// does not tell is opened from the recordings themselves, and the index is stored back, sealed anew. The server's list is
// what exists: a row whose recording is gone, or whose manifest is another, is not shown.

import type { Api, Listed } from "./api";
import type { Keeper, Sealed } from "./keeper/keeper";
import type { Failure, Remote } from "./keeper/rpc";
import type { Row } from "./row";
import type { Bytes } from "./sealed/bytes";

const AT_ONCE = 200;

export interface Entry {
  listed: Listed;
  row: Row;
}
export interface Unopened {
  listed: Listed;
  failure: Failure;
}

export class Library {
  readonly entries = new Map<string, Entry>();
  readonly unopened = new Map<string, Unopened>();
  /** How many recordings the server has. */
  expected = 0;
  done = false;
  /** How long the newest month took to open, and how many came out of indexes: for measuring. */
  readonly figures = { indexed: 0, opened: 0, openSeconds: 0, indexSeconds: 0 };
  private stopped = false;
  private loading: Promise<void> | null = null;

  constructor(
    private readonly api: Api,
    private readonly keeper: Remote<Keeper>,
    private readonly changed: () => void,
  ) {}

  /** Reads everything, once, the newest month first; `changed` is called whenever there is more to show. */
  load(): Promise<void> {
    return (this.loading ??= this.loadAll().catch((error: unknown) => {
      this.loading = null; // whoever comes back tries again
      throw error;
    }));
  }

  private async loadAll(): Promise<void> {
    const [every, indexes] = await Promise.all([this.api.months(), this.api.indexes()]);
    const months = every.filter((month) => month.stored > 0);
    this.expected = months.reduce((sum, month) => sum + month.stored, 0);
    for (const { month, ended } of months.reverse()) {
      if (this.stopped) return;
      await this.loadMonth(month, ended, indexes.has(month));
    }
    this.done = true;
    this.changed();
  }

  stop(): void {
    this.stopped = true;
    this.entries.clear();
    this.unopened.clear();
  }

  /** A call whose notes changed: shown at once, and stored in its month's index. */
  async update(row: Row): Promise<void> {
    const key = keyOf(row);
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.set(key, { listed: { ...entry.listed, notes: row.notes }, row });
    this.changed();
    const month = monthOf(row.recording);
    try {
      const [index, months] = await Promise.all([this.api.index(month), this.api.months()]);
      const ended = months.find((each) => each.month === month)?.ended ?? 0;
      await this.store(month, index?.tag ?? null, ended);
    } catch {
      // as below
    }
  }

  private async loadMonth(month: string, ended: number, hasIndex: boolean): Promise<void> {
    const [index, listed] = await Promise.all([hasIndex ? this.api.index(month) : null, this.list(month)]);
    const indexed = index === null ? new Map<string, Row>() : await this.read(month, index.data);
    const missing: Listed[] = [];
    let old = false; // whether the index says something that is no longer so
    for (const each of listed) {
      const row = indexed.get(keyOf(each));
      if (row !== undefined && row.manifest === each.manifest && row.notes === each.notes) {
        this.entries.set(keyOf(each), { listed: each, row });
      } else {
        missing.push(each);
        if (row !== undefined) old = true;
      }
    }
    if (indexed.size > 0) this.changed();
    for (let at = 0; at < missing.length && !this.stopped; at += AT_ONCE) {
      await this.openSome(missing.slice(at, at + AT_ONCE));
      this.changed();
    }
    const shown = listed.filter((each) => this.entries.has(keyOf(each))).length;
    if (!this.stopped && shown > 0 && (old || shown !== indexed.size)) await this.store(month, index?.tag ?? null, ended);
  }

  private async list(month: string): Promise<Listed[]> {
    const all: Listed[] = [];
    let after: string | undefined;
    do {
      const page = await this.api.recordings(month, after);
      all.push(...page.rows.filter((row) => row.state === "stored"));
      after = page.next ?? undefined;
    } while (after !== undefined);
    return all;
  }

  private async read(month: string, data: Bytes): Promise<Map<string, Row>> {
    try {
      const begun = performance.now();
      const rows = await this.keeper.openIndex(month, data);
      this.figures.indexed += rows.length;
      this.figures.indexSeconds += (performance.now() - begun) / 1000;
      return new Map(rows.map((row) => [keyOf(row), row]));
    } catch {
      return new Map(); // of another key, or spoilt: it is made anew
    }
  }

  private async openSome(some: readonly Listed[]): Promise<void> {
    const bundle = await this.api.openings(some.map(({ box, recording }) => [box, recording]));
    const sealed: Sealed[] = some.map(({ box, recording }) => ({
      box,
      recording,
      files: bundle.get(`${box}/${recording}`) ?? new Map(),
    }));
    const begun = performance.now();
    const rows = await this.keeper.openMany(sealed);
    this.figures.opened += rows.length;
    this.figures.openSeconds += (performance.now() - begun) / 1000;
    for (const [at, opened] of rows.entries()) {
      const listed = some[at]!;
      if ("row" in opened) this.entries.set(keyOf(listed), { listed, row: opened.row });
      else this.unopened.set(keyOf(listed), { listed, failure: opened.failure });
    }
  }

  private async store(month: string, tag: string | null, ended: number): Promise<void> {
    const rows = [...this.entries.values()].map((entry) => entry.row).filter((row) => monthOf(row.recording) === month);
    rows.sort((a, b) => (a.recording < b.recording ? -1 : 1));
    try {
      await this.api.putIndex(month, await this.keeper.sealIndex(month, rows), tag, ended);
    } catch {
      // an index only saves time; whoever comes next builds it
    }
  }
}

export const keyOf = ({ box, recording }: { box: string; recording: string }): string => `${box}/${recording}`;

/** The month (UTC) of a UUIDv7's first 48 bits, which are milliseconds since 1970. */
export function monthOf(recording: string): string {
  const at = new Date(Number.parseInt(recording.slice(0, 8) + recording.slice(9, 13), 16));
  return at.toISOString().slice(0, 7);
}

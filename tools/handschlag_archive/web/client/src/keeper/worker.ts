// The keeper in its worker.

import { Keeper } from "./keeper";
import { serve } from "./rpc";

const scope = self as unknown as Worker;

async function fetchFile(box: string, recording: string, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(`/api/recordings/${box}/${recording}/files/${name}`, { credentials: "same-origin" });
  if (!answer.ok) throw Object.assign(new Error(`${name}: ${answer.status}`), { status: answer.status });
  return new Uint8Array(await answer.arrayBuffer());
}

const MOST_PAGES = 20; // of 1,000 lines: some 2,500 calls after this one

async function fetchLedger(box: string, first: number): Promise<string[]> {
  const lines: string[] = [];
  let next: number | null = first;
  for (let page = 0; page < MOST_PAGES && next !== null; page++) {
    const answer: Response = await fetch(`/api/ledger/${box}?first=${next}&count=1000`, { credentials: "same-origin" });
    if (!answer.ok) throw Object.assign(new Error(`ledger: ${answer.status}`), { status: answer.status });
    const told = (await answer.json()) as { lines: string[]; next: number | null };
    lines.push(...told.lines);
    next = told.next;
  }
  return lines;
}

serve(new Keeper(fetchFile, fetchLedger, (event, value) => scope.postMessage({ event, value })), scope);

// One login: who it is, the keeper with the keys, and what was opened. At its end everything is wiped; nothing of it is
// stored but the device secret, which alone opens nothing.

import { Api, type Person } from "./api";
import type { Keeper } from "./keeper/keeper";
import { type Remote, remote } from "./keeper/rpc";
import { Library } from "./library";

type Listener = () => void;

export class Session {
  readonly library: Library;
  readonly listeners = new Set<Listener>();
  readonly events = new Set<(event: string, value: unknown) => void>();
  /** What was typed into the search, kept while a call is looked at. */
  query = "";
  ownerDiffers = false;

  constructor(
    readonly api: Api,
    readonly person: Person,
    readonly keeper: Remote<Keeper>,
    private readonly worker: Worker,
  ) {
    this.library = new Library(api, keeper, () => this.listeners.forEach((listener) => listener()));
  }

  get hasKeys(): boolean {
    return this.person.role === "owner" || this.person.role === "staff";
  }

  async end(): Promise<void> {
    this.library.stop();
    this.listeners.clear();
    // A keeper that is at work answers late; its memory goes with it either way.
    await Promise.race([this.keeper.wipe(), new Promise((resolve) => setTimeout(resolve, 500))]);
    this.worker.terminate();
  }
}

export interface KeeperWorker {
  keeper: Remote<Keeper>;
  worker: Worker;
  on: Set<(event: string, value: unknown) => void>;
}

export function startKeeper(): KeeperWorker {
  const worker = new Worker(new URL("./keeper/worker.ts", import.meta.url), { type: "module" });
  const on = new Set<(event: string, value: unknown) => void>();
  return { worker, keeper: remote<Keeper>(worker, (event, value) => on.forEach((each) => each(event, value))), on };
}

// --- the device secret, by name of the person

const DATABASE = "handschlag";
const STORE = "devices";

function database(): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(DATABASE, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("indexedDB"));
  });
}

const nameKey = (name: string): string => name.normalize("NFKC").trim().toLowerCase();

export async function deviceSecret(name: string): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    const opened = await database();
    const request = opened.transaction(STORE).objectStore(STORE).get(nameKey(name));
    const found = await new Promise<unknown>((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error ?? new Error("indexedDB"));
    });
    opened.close();
    return found instanceof Uint8Array ? (found as Uint8Array<ArrayBuffer>) : null;
  } catch {
    return null; // a browser that keeps nothing asks each time
  }
}

export async function keepDeviceSecret(name: string, secret: Uint8Array): Promise<void> {
  try {
    const opened = await database();
    const transaction = opened.transaction(STORE, "readwrite");
    transaction.objectStore(STORE).put(secret, nameKey(name));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = reject;
    });
    opened.close();
  } catch {
    // as above
  }
}

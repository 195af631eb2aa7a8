// The committed vectors of the sealed format, as a browser would get them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bytes, ascii, unhex } from "../src/sealed/bytes";
import { WorkshopKey, workshopSeed } from "../src/sealed/keys";
import { Trust } from "../src/sealed/trust";

interface Vectors {
  owner_secret_hex: string;
  workshop: { generation: number; seed_hex: string; kid: string }[];
  owner_signing: { seed_hex: string; kid: string };
  recording_key_hex: string;
  files_base64: Record<string, string>;
  flacs_base64: Record<string, string>;
  details: Record<string, unknown>[];
  trust: unknown;
  rewrap_base64: string;
  revoke_base64: string;
  ledger: Record<string, string>;
}

const path = join(import.meta.dirname, "../../../../../tests/sealing/vectors/recording.json");
export const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;

export const unbase64 = (text: string): Bytes => Uint8Array.from(Buffer.from(text, "base64"));

export const files = (): Map<string, Bytes> =>
  new Map(Object.entries(vectors.files_base64).map(([name, text]) => [name, unbase64(text)]));

export const trust = (): Promise<Trust> => Trust.read(ascii(JSON.stringify(vectors.trust)));

export async function workshopKey(generation = 1): Promise<WorkshopKey> {
  return WorkshopKey.of(await workshopSeed(unhex(vectors.owner_secret_hex), generation), generation);
}

/** All lines of the vectors' ledger. */
export const ledgerLines = (): string[] =>
  Object.keys(vectors.ledger)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .flatMap((name) => vectors.ledger[name]!.split("\n").slice(0, -1));

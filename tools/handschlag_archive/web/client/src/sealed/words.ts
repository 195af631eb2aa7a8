// What others sign about a recording: the archive's receipt, the owner's rewrap, a revocation; and what the owner's
// browser signs: messages to box and archive.

import type { Bytes } from "./bytes";
import { badForm, destroyed, tampered } from "./errors";
import {
  type Of,
  boxName,
  clock,
  count,
  decode,
  integer,
  nullable,
  oneOf,
  positive,
  recordingId,
  sha256Text,
  struct,
  text,
  time,
  token,
} from "./form";
import { readJws, signJws } from "./jws";
import type { SigningKey } from "./keys";
import { rewrapCounter } from "./manifest";
import { checkWrapped, recipientsForm } from "./recording";
import type { Trust } from "./trust";

const storedForm = struct(
  {
    kind: oneOf("stored"),
    box: boxName,
    recording: recordingId,
    at: time,
    epoch: token,
    manifest_hash: sha256Text,
    copies: integer(1, 1000),
  },
  { retain_until: nullable(time) },
);
export type Stored = Of<typeof storedForm>;

export async function readReceipt(data: Bytes, trust: Trust): Promise<Stored> {
  const keys = trust.keys("archive");
  const signed = await readJws(data, "handschlag-receipt", keys, "receipt.jws");
  const receipt = decode(signed.payload, storedForm, "receipt.jws");
  keys.admit(signed.kid, "receipt.jws", null, receipt.at);
  return receipt;
}

const rewrapForm = struct({
  version: oneOf(1),
  box: boxName,
  recording: recordingId,
  suite: text(/^/, "text"),
  counter: integer(1, 999_999),
  recipients: recipientsForm,
});
export type Rewrap = Of<typeof rewrapForm>;

export async function readRewrap(data: Bytes, trust: Trust, name: string): Promise<Rewrap> {
  const signed = await readJws(data, "handschlag-keys", trust.keys("owner"), name);
  const rewrap = decode(signed.payload, rewrapForm, name);
  if (rewrapCounter(name) !== rewrap.counter) throw badForm(`${name}: its counter is ${rewrap.counter}`);
  checkWrapped(rewrap.suite, rewrap.recipients, name);
  return rewrap;
}

const revokeForm = struct(
  { box: boxName, recording: recordingId, reason: token, at: time, ledger_seq: count },
  { version: oneOf(1), clock },
);

/** Throws: `destroyed` where the revocation is valid and of this recording, else what is wrong with it. */
export async function refuseRevoked(data: Bytes, trust: Trust, recording: string | null): Promise<never> {
  const signed = await readJws(data, "handschlag-revoke", trust.revokers, "revoke.jws");
  const revoke = decode(signed.payload, revokeForm, "revoke.jws");
  trust.revokers.admit(signed.kid, "revoke.jws", revoke.box, revoke.clock === "synced" ? revoke.at : null);
  if (recording !== null && revoke.recording !== recording) {
    throw tampered(`revoke.jws: is of recording ${revoke.recording}, expected recording ${recording}`);
  }
  throw destroyed(`revoke.jws: recording ${revoke.recording} was destroyed: ${revoke.reason}, at ${revoke.at}`);
}

export interface OwnerMessage {
  box: string;
  name: "erase" | "hold" | "release" | "class";
  counter: number;
  at: string;
  recording: string;
  kept_for?: "inquiry" | "order" | "repair" | "building";
}

/** The owner's message to a box and to the archive, as JWS. */
export async function signOwner(message: OwnerMessage, key: SigningKey): Promise<string> {
  boxName(message.box, "box");
  positive(message.counter, "counter");
  time(message.at, "at");
  recordingId(message.recording, "recording");
  if ((message.name === "class") !== (message.kept_for !== undefined)) {
    throw badForm("owner's message: kept_for belongs to class, and to class only");
  }
  return signJws({ version: 1, ...message }, "handschlag-owner", key);
}

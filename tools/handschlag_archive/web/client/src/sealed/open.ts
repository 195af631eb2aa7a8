// Opening a recording with the workshop key: everything that can be checked is checked first, then the commitment, then
// details and clips.

import { badKey } from "./errors";
import type { RecordingKey, WorkshopKey } from "./keys";
import { type Details, openDetails } from "./recording";
import type { Trust } from "./trust";
import { type Checked, type Expected, type Files, type Opening, checkOpening } from "./verify";

export interface Opened extends Opening {
  key: RecordingKey;
  details: readonly Details[];
}

export async function openRecording(
  files: Files,
  keys: readonly WorkshopKey[],
  trust: Trust,
  expected: Expected = {},
  checked: Checked = {},
): Promise<Opened> {
  const opening = await checkOpening(files, trust, expected, checked);
  const key = await unwrap(opening, keys);
  const { recording, files: named } = opening.manifest;
  const details: Details[] = [];
  for (const number of [0, 1]) {
    const name = `details.${number}`;
    if (named.has(name)) details.push(await openDetails(await files.read(name), number, key, recording));
  }
  return { ...opening, key, details };
}

/** The recording's key, by whichever of the workshop's keys it was wrapped for, the newest wrapping first. */
export async function unwrap(opening: Opening, keys: readonly WorkshopKey[]): Promise<RecordingKey> {
  const { box, recording, commitment } = opening.head;
  for (const wrapped of opening.wrapped) {
    const fitting = keys.find((each) => each.kid === wrapped.kid);
    if (fitting === undefined) continue;
    const key = await fitting.unwrap(wrapped, box, recording);
    try {
      key.checkCommitment(commitment);
    } catch (error) {
      key.wipe();
      throw error;
    }
    return key;
  }
  const kids = [...new Set(opening.wrapped.map((each) => each.kid))].join(", ");
  throw badKey(`keys.json: wrapped for ${kids}: another workshop key is needed`);
}

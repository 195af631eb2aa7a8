// Whose word counts for what: the trust file. A box's key speaks for its box only; validity is asked only where the signed
// time is `synced`, receipts always carry trusted time.

import { type Bytes, fromBase64url } from "./bytes";
import { badForm, untrusted } from "./errors";
import { type Of, boxName, decode, integer, isBefore, kid, list, oneOf, struct, text, time, nullable } from "./form";
import { keyId } from "./keys";

const anyText = text(/^/, "text");
const trustedKey = struct(
  { kid, public: anyText },
  { valid_from: nullable(time), valid_until: nullable(time), box: nullable(boxName) },
);
const recipient = struct({ kid, public: anyText }, { generation: integer(1, 10_000) });
const MANY = 1_000_000;
const trustForm = struct(
  {},
  {
    version: oneOf(1),
    boxes: list(trustedKey, 0, MANY),
    archive: list(trustedKey, 0, MANY),
    owner: list(trustedKey, 0, MANY),
    operator: list(trustedKey, 0, MANY),
    workshop: list(recipient, 0, MANY),
  },
);

export type TrustedKey = Of<typeof trustedKey>;
export type Role = "boxes" | "archive" | "owner" | "operator";

/** Whose signatures are accepted. */
export interface Keyring {
  /** The key of that id; refuses one that is not trusted, naming `name`. */
  find(kid: string, name: string): Promise<CryptoKey>;
}

export class RoleKeys implements Keyring {
  private readonly entries: Map<string, TrustedKey>;
  private readonly imported = new Map<string, Promise<CryptoKey>>();

  constructor(
    private readonly role: string,
    entries: readonly TrustedKey[],
  ) {
    this.entries = new Map(entries.map((entry) => [entry.kid, entry]));
  }

  find(id: string, name: string): Promise<CryptoKey> {
    const entry = this.entry(id, name);
    let key = this.imported.get(id);
    if (key === undefined) {
      const raw = fromBase64url(entry.public, "public", 32);
      key = crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
      this.imported.set(id, key);
    }
    return key;
  }

  /** Refuses a key that may not speak for `box` at `at` (null: an untrusted time, not to be asked). */
  admit(id: string, name: string, box: string | null, at: string | null): void {
    const entry = this.entry(id, name);
    if (box !== null && entry.box != null && entry.box !== box) {
      throw untrusted(`${name}: key ${id} is trusted for box ${entry.box}, not for box ${box}`);
    }
    if (at !== null && entry.valid_from != null && isBefore(at, entry.valid_from)) {
      throw untrusted(`${name}: ${this.role} key ${id} is valid from ${entry.valid_from}, used at ${at}`);
    }
    if (at !== null && entry.valid_until != null && isBefore(entry.valid_until, at)) {
      throw untrusted(`${name}: ${this.role} key ${id} was valid until ${entry.valid_until}, used at ${at}`);
    }
  }

  private entry(id: string, name: string): TrustedKey {
    const entry = this.entries.get(id);
    if (entry === undefined) throw untrusted(`${name}: the trust file knows no key ${id} for the role ${this.role}`);
    return entry;
  }
}

export class Trust {
  readonly revokers: RoleKeys;
  private readonly roles: Record<Role, RoleKeys>;
  private readonly recipients: ReadonlySet<string>;

  private constructor(
    readonly keysOf: Record<Role, readonly TrustedKey[]>,
    recipients: readonly string[],
  ) {
    this.roles = {
      boxes: new RoleKeys("boxes", keysOf.boxes),
      archive: new RoleKeys("archive", keysOf.archive),
      owner: new RoleKeys("owner", keysOf.owner),
      operator: new RoleKeys("operator", keysOf.operator),
    };
    this.revokers = new RoleKeys("boxes or owner", [...keysOf.owner, ...keysOf.boxes]);
    this.recipients = new Set(recipients);
  }

  static async read(data: Bytes, name = "trust.json"): Promise<Trust> {
    const found = decode(data, trustForm, name, 64 * 1024 * 1024);
    const { boxes = [], archive = [], owner = [], operator = [], workshop = [] } = found;
    const keys = { boxes, archive, owner, operator };
    for (const [role, entries] of Object.entries(keys)) {
      for (const [at, entry] of entries.entries()) {
        await checkKid(entry.kid, fromBase64url(entry.public, `${name}: ${role}[${at}].public`, 32), name, role, at);
        if ((entry.box == null) === (role === "boxes")) {
          throw badForm(`${name}: ${role}[${at}].box must be given for boxes, and only for them`);
        }
      }
      checkUnique(entries, name, role);
    }
    for (const [at, entry] of workshop.entries()) {
      await checkKid(entry.kid, fromBase64url(entry.public, `${name}: workshop[${at}].public`, 1216), name, "workshop", at);
    }
    checkUnique(workshop, name, "workshop");
    return new Trust(keys, workshop.map((entry) => entry.kid));
  }

  keys(role: Role): RoleKeys {
    return this.roles[role];
  }

  /** Refuses a recipient that is none of the workshop's, where those are listed. */
  admitRecipient(id: string, name: string): void {
    if (this.recipients.size > 0 && !this.recipients.has(id)) {
      throw untrusted(`${name}: wrapped for key ${id}, which is no workshop key of the trust file`);
    }
  }
}

async function checkKid(id: string, raw: Bytes, name: string, role: string, at: number): Promise<void> {
  if ((await keyId(raw)) !== id) throw badForm(`${name}: ${role}[${at}].kid does not belong to the key beside it`);
}

function checkUnique(entries: readonly { kid: string }[], name: string, role: string): void {
  if (new Set(entries.map((entry) => entry.kid)).size !== entries.length) {
    throw badForm(`${name}: ${role}: a key is listed twice`);
  }
}

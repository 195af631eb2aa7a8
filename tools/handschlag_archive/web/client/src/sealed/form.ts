// What JSON must look like before anybody believes it: unknown fields, missing fields and wrong types are refused, in
// every object. A form is a function that returns the value, typed, or throws and says where.

import { MAX_FILE_BYTES } from "./bytes";
import { badForm } from "./errors";

export type Form<T> = (value: unknown, where: string) => T;
export type Of<F> = F extends Form<infer T> ? T : never;

const reader = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
export const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

export function decode<T>(data: Uint8Array, form: Form<T>, name: string, limit = MAX_FILE_BYTES): T {
  if (data.length > limit) throw badForm(`${name}: ${data.length} bytes, at most ${limit} are allowed`);
  let value: unknown;
  try {
    value = JSON.parse(reader.decode(data));
  } catch {
    throw badForm(`${name}: not JSON in UTF-8`);
  }
  return form(value, name);
}

export const text =
  (pattern: RegExp, what: string): Form<string> =>
  (value, where) => {
    if (typeof value !== "string" || !pattern.test(value)) throw badForm(`${where}: not ${what}`);
    return value;
  };

export const integer =
  (least: number, most: number): Form<number> =>
  (value, where) => {
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw badForm(`${where}: not an integer from ${least} to ${most}`);
    }
    return value;
  };

export const number =
  (least: number, most: number): Form<number> =>
  (value, where) => {
    if (typeof value !== "number" || value < least || value > most) {
      throw badForm(`${where}: not a number from ${least} to ${most}`);
    }
    return value;
  };

export const boolean: Form<boolean> = (value, where) => {
  if (typeof value !== "boolean") throw badForm(`${where}: not true or false`);
  return value;
};

export const oneOf =
  <const T extends string | number>(...allowed: readonly T[]): Form<T> =>
  (value, where) => {
    const found = allowed.find((each) => each === value);
    if (found === undefined) throw badForm(`${where}: allowed are ${allowed.join(", ")}`);
    return found;
  };

export const nullable =
  <T>(form: Form<T>): Form<T | null> =>
  (value, where) =>
    value === null ? null : form(value, where);

export const list =
  <T>(form: Form<T>, least: number, most: number): Form<T[]> =>
  (value, where) => {
    if (!Array.isArray(value) || value.length < least || value.length > most) {
      throw badForm(`${where}: not a list of ${least} to ${most}`);
    }
    return value.map((each, at) => form(each, `${where}[${at}]`));
  };

export const pair =
  <A, B>(first: Form<A>, second: Form<B>): Form<[A, B]> =>
  (value, where) => {
    if (!Array.isArray(value) || value.length !== 2) throw badForm(`${where}: not a pair`);
    return [first(value[0], `${where}[0]`), second(value[1], `${where}[1]`)];
  };

export const table =
  <T>(form: Form<T>, least: number, most: number): Form<Map<string, T>> =>
  (value, where) => {
    const fields = Object.entries(object(value, where));
    if (fields.length < least || fields.length > most) throw badForm(`${where}: not ${least} to ${most} fields`);
    return new Map(fields.map(([name, field]) => [name, form(field, `${where}.${name.slice(0, 40)}`)]));
  };

type Fields = Record<string, Form<unknown>>;
type Needed<F extends Fields> = { [N in keyof F]: Of<F[N]> };
type Optional<F extends Fields> = { [N in keyof F]?: Of<F[N]> };

/** An object of exactly these fields; `optional` ones may be missing. */
export const struct =
  <N extends Fields, O extends Fields = Record<never, never>>(needed: N, optional?: O): Form<Needed<N> & Optional<O>> =>
  (value, where) => {
    const found = object(value, where);
    const known: Fields = { ...needed, ...optional };
    const out: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(found)) {
      if (!Object.hasOwn(known, name)) throw badForm(`${where}: unknown field ${JSON.stringify(name.slice(0, 40))}`);
      out[name] = known[name]!(field, `${where}.${name}`);
    }
    for (const name of Object.keys(needed)) {
      if (!Object.hasOwn(found, name)) throw badForm(`${where}: the field ${name} is missing`);
    }
    return out as Needed<N> & Optional<O>;
  };

export const anyObject: Form<Record<string, unknown>> = (value, where) => object(value, where);

function object(value: unknown, where: string): Record<string, unknown> {
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw badForm(`${where}: not an object`);
  return value as Record<string, unknown>;
}

const TIME =
  /^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$/;

export const boxName = text(/^[a-z0-9-]{1,32}$/, "the name of a box");
export const recordingId = text(
  /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  "the id of a recording",
);
export const sha256Text = text(/^[0-9a-f]{64}$/, "a SHA-256");
export const kid = text(/^[A-Za-z0-9_-]{43}$/, "a key id");
export const time = text(TIME, "a time in UTC");
export const clock = oneOf("synced", "unsynced");
export const token = text(/^[0-9A-Za-z._:+-]{1,64}$/, "a token");
export const count = integer(0, MAX_INTEGER);
export const positive = integer(1, MAX_INTEGER);

/** Whether one `time` lies before another: without the Z, a longer fraction of the same second sorts behind. */
export const isBefore = (earlier: string, later: string): boolean => earlier.slice(0, -1) < later.slice(0, -1);

// Finding calls: every word must occur in the call's own text; numbers are compared by their digits, so that
// "030 1234567", "+49 30 1234567" and "1234567" find the same call. Fields can be asked for: "dauer>60", "marke", "am:2026-11-24".

import type { Row } from "./row";

export interface Found {
  row: Row;
  /** Lower case, everything that can be searched. */
  text: string;
  digits: string;
}

export function searchable(row: Row, words: readonly string[]): Found {
  const day = row.at.slice(0, 10);
  const german = `${day.slice(8)}.${day.slice(5, 7)}.${day.slice(0, 4)}`;
  const text = fold(
    [row.name, row.number, row.employee, row.tags.map((tag) => `#${tag}`).join(" "), row.text, day, german, ...words].join("\n"),
  );
  return { row, text, digits: digitsOf(row.number) };
}

export interface Query {
  words: readonly string[];
  tests: readonly ((row: Row) => boolean)[];
}

export function readQuery(typed: string): Query {
  const words: string[] = [];
  const tests: ((row: Row) => boolean)[] = [];
  for (const part of fold(joinNumbers(typed)).split(/\s+/).filter(Boolean)) {
    const longer = /^(?:dauer|duration|länger|longer)?([<>])(\d+)(s|min)?$/.exec(part);
    if (longer !== null) {
      const seconds = Number(longer[2]) * (longer[3] === "min" ? 60 : 1);
      tests.push(longer[1] === ">" ? (row) => row.seconds > seconds : (row) => row.seconds < seconds);
    } else {
      words.push(part);
    }
  }
  return { words, tests };
}

/** All that fit, in the order given. */
export function search(all: readonly Found[], typed: string): Found[] {
  const { words, tests } = readQuery(typed);
  const wanted = words.map((word) => {
    const isNumber = /^[+\d][\d/()-]*$/.test(word) && !/^\d{1,2}\.|^\d{4}-/.test(word);
    const digits = isNumber ? digitsOf(word) : "";
    return { word, digits: digits.length >= 3 ? digits : "" };
  });
  return all.filter(
    (each) =>
      wanted.every(
        ({ word, digits }) => each.text.includes(word) || (digits !== "" && each.digits.includes(digits)),
      ) && tests.every((test) => test(each.row)),
  );
}

/** Digits without country code or trunk prefix: what both ways of writing a number share. */
export function digitsOf(number: string): string {
  const plain = number.replace(/[^\d+]/g, "");
  return plain.replace(/^(\+|00)(49|43|41|33|45)/, "").replace(/^0+/, "").replaceAll("+", "");
}

/** A number typed with spaces is one word. */
const joinNumbers = (typed: string): string => typed.replace(/(?<=^|\s)([+\d][\d/()-]*(?: [\d/()-]+)+)(?=\s|$)/g, (all) => all.replaceAll(" ", ""));

const fold = (text: string): string => text.toLowerCase().normalize("NFC");

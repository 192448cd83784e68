// The decoder of a Penstock bundle: one raw value to a number, an instant, a category or a text; null where it is missing.
// It passes the conformance vectors that the Python decoder passes. Whole numbers beyond 2^53 are BigInt: see `parseJson`.

import { instantReader } from "./instants.mjs";
import { composed, isWellFormed, numberText, strip } from "./text.mjs";
import { Unreadable, describe, short } from "./unreadable.mjs";

/** JSON in which no digit of a whole number is lost: those that a double cannot hold become BigInt. */
export function parseJson(text) {
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g, (token) =>
    /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"\ue000${token}"` : token,
  );
  return JSON.parse(marked, (_, value) => (typeof value === "string" && value.startsWith("\ue000") ? BigInt(value.slice(1)) : value));
}

/** The reader of a column, as `decoder.json` declares it. */
export function columnReader(spec) {
  if (spec.kind === "numeric") return numberReader(spec);
  if (spec.kind === "datetime") return instantReader(spec);
  return spec.kind === "text" ? textReader(spec) : categoryReader(spec);
}

/** The reader of a target: class number, or a number for a regression. */
export function targetReader(target) {
  if (target.task === "regression") return numberReader(target);
  const read = categoryReader({
    ...target,
    kind: "categorical",
    numeric_text: target.classes.every((label) => typeof label === "number"),
    boolean_text: target.classes.every((label) => typeof label === "boolean"),
  });
  const numbers = new Map(target.classes.map((label, number) => [classText(label), number]));
  return (value) => {
    const text = read(value);
    if (text === null) return null;
    if (!numbers.has(text)) throw new Unreadable("unknown-class", `${short(text)} is none of the classes ${[...numbers.keys()].slice(0, 20).map(short).join(", ")}`);
    return numbers.get(text);
  };
}

/** The canonical text of a class: its key in `probabilities`. */
export function classText(label) {
  if (typeof label === "string") return strip(label).normalize("NFC");
  return typeof label === "boolean" ? String(label) : numberText(label);
}

// ---------------------------------------------------------------- numbers

/** Text -> the same number as JavaScript writes numbers, or null where it is no number. */
function plainNumber(decimal = ".", thousands = "") {
  const point = escape(decimal);
  const mark = thousands === " " ? "[ \u00a0\u202f]" : escape(thousands);
  const whole = thousands ? `(?:[0-9]{1,3}(?:${mark}[0-9]{3})+|[0-9]+)` : "[0-9]+";
  const grammar = new RegExp(`^[+-]?(?:${whole}(?:${point}[0-9]*)?|${point}[0-9]+)(?:[eE][+-]?[0-9]+)?$`);
  const marks = thousands ? new RegExp(mark, "g") : null;
  return (text) => {
    if (!grammar.test(text)) return null;
    const bare = marks === null ? text : text.replace(marks, "");
    return decimal === "." ? bare : bare.replace(decimal, ".");
  };
}

const escape = (mark) => mark.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");

/** The missing markers of a numeric column that are numbers themselves. */
function markedNumbers(spec) {
  const plain = plainNumber(spec.decimal, spec.thousands);
  const written = (spec.missing ?? []).map((marker) => plain(strip(marker)));
  return new Set(written.filter((text) => text !== null).map(Number));
}

function numberReader(spec) {
  const plain = plainNumber(spec.decimal, spec.thousands);
  const markers = new Set((spec.missing ?? []).map(strip));
  const marked = markedNumbers(spec);
  const style = `decimal mark ${short(spec.decimal ?? ".")}${spec.thousands ? `, thousands mark ${short(spec.thousands)}` : ""}`;
  const read = (value) => {
    let number;
    if (typeof value === "number") {
      if (Number.isNaN(value)) return null;
      if (!Number.isFinite(value)) throw new Unreadable("wrong-type", `${value < 0 ? "-inf" : "inf"} is not a finite number`);
      number = value;
    } else if (typeof value === "bigint") {
      number = Number(value);
      if (!Number.isFinite(number)) throw new Unreadable("out-of-range", "the number is too large for a 64-bit float");
    } else if (typeof value === "string") {
      const text = strip(value);
      if (text === "" || markers.has(text)) return null;
      const written = plain(text);
      if (written === null) throw new Unreadable("wrong-type", `${short(text)} is not a number (${style})`);
      number = Number(written);
      if (!Number.isFinite(number)) throw new Unreadable("out-of-range", `${short(text)} is too large for a 64-bit float`);
    } else if (value === null || value === undefined) return null;
    else throw new Unreadable("wrong-type", `${describe(value)} is not a number`);
    return marked.has(number) ? null : number;
  };
  return spec.origin ? less(BigInt(spec.origin), read, plain, spec, markers) : read;
}

/** Numbers less an origin: of whole ones the difference is exact before it becomes a double. */
function less(origin, read, plain, spec, markers) {
  const whole = (value) => {
    if (typeof value !== "string") return typeof value === "bigint" ? value : null;
    const found = /^([+-]?)([0-9]{1,308})(?:[.]0*)?$/.exec(plain(strip(value)) ?? "");
    return found === null ? null : BigInt(found[2]) * (found[1] === "-" ? -1n : 1n);
  };
  const marked = new Set((spec.missing ?? []).map(whole));
  return (value) => {
    if (typeof value === "string" && markers.has(strip(value))) return null;
    const exact = whole(value);
    if (exact === null) {
      const number = read(value);
      return number === null ? null : number - Number(origin);
    }
    if (marked.has(exact)) return null;
    const number = Number(exact - origin);
    if (!Number.isFinite(number)) throw new Unreadable("out-of-range", "the number is too large for a 64-bit float");
    return number;
  };
}

// ---------------------------------------------------------------- categories and texts

function categoryReader(spec) {
  const markers = new Set((spec.missing ?? []).map((marker) => strip(marker).normalize("NFC")));
  const canonical = canonicalCategory(spec);
  const canonicalMarkers = new Set(canonical === null ? [] : [...markers].map(canonical));
  const [yes, no] = spec.numeric_text && !spec.boolean_text ? ["1", "0"] : ["true", "false"];
  return (value) => {
    let text;
    if (typeof value === "string") {
      checkUnicode(value);
      text = composed(strip(value));
      if (text === "" || markers.has(text)) return null;
      if (canonical === null) return text;
      text = canonical(text);
      return canonicalMarkers.has(text) ? null : text;
    }
    if (value === null || value === undefined || Number.isNaN(value)) return null;
    if (typeof value === "boolean") text = value ? yes : no;
    else if (typeof value === "number" || typeof value === "bigint") text = jsonNumberText(value);
    else throw new Unreadable("wrong-type", `${describe(value)} is not a ${spec.kind} value`);
    return markers.has(text) || canonicalMarkers.has(text) ? null : text;
  };
}

/** How text that means a number or a truth value is written in one way; null where text stays as it is. */
function canonicalCategory(spec) {
  if (!spec.numeric_text && !spec.boolean_text) return null;
  const plain = plainNumber(spec.decimal, spec.thousands);
  return (text) => {
    if (spec.boolean_text && /^(true|false)$/i.test(text)) return text.toLowerCase();
    const written = spec.numeric_text ? plain(text) : null;
    if (written === null) return text;
    const [whole, rest = ""] = written.split(".");
    const exact = whole.length <= 21 && /^0*$/.test(rest) && !/e/i.test(whole) && /[0-9]/.test(whole);
    if (exact) {
      const digits = BigInt(whole.replace(/^[+-]/, "")) * (whole.startsWith("-") ? -1n : 1n);
      if (digits > -(10n ** 21n) && digits < 10n ** 21n) return digits.toString();
    }
    const number = Number(written);
    return Number.isFinite(number) ? numberText(number) : text;
  };
}

function textReader(spec) {
  const markers = new Set((spec.missing ?? []).map(strip));
  return (value) => {
    let text;
    if (typeof value === "string") {
      const stripped = strip(value);
      if (stripped === "" || markers.has(stripped)) return null;
      checkUnicode(value);
      return value;
    }
    if (value === null || value === undefined || Number.isNaN(value)) return null;
    if (typeof value === "boolean") text = String(value);
    else if (typeof value === "number" || typeof value === "bigint") text = jsonNumberText(value);
    else throw new Unreadable("wrong-type", `${describe(value)} is not text`);
    return markers.has(text) ? null : text;
  };
}

function jsonNumberText(number) {
  if (typeof number === "bigint") {
    if (!Number.isFinite(Number(number))) throw new Unreadable("out-of-range", "the number is too large for a 64-bit float");
    return number > -(10n ** 21n) && number < 10n ** 21n ? number.toString() : numberText(Number(number));
  }
  if (!Number.isFinite(number)) throw new Unreadable("wrong-type", `${number < 0 ? "-inf" : "inf"} is not a finite number`);
  return numberText(number);
}

function checkUnicode(text) {
  if (!isWellFormed(text)) throw new Unreadable("wrong-type", "the text holds half of a surrogate pair, which is not Unicode");
}

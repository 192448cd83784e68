// Instants: microseconds since 1970 in UTC, as BigInt.

import { isAscii, strip } from "./text.mjs";
import { Unreadable, describe, short } from "./unreadable.mjs";

const ISO =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?(?: ?(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2})?))?)?$/;
const MONTHS = "january february march april may june july august september october november december".split(" ");
const DAYS = "monday tuesday wednesday thursday friday saturday sunday".split(" ");
const DAY_S = 86_400;
const DAY_US = 86_400_000_000n;
const FIRST = -62_135_596_800n * 1_000_000n; // the year 1
const LAST = 253_402_300_800n * 1_000_000n - 1n; // the end of the year 9999

/** The reader of a column of instants. */
export function instantReader(spec) {
  const markers = new Set((spec.missing ?? []).map(strip));
  const zone = spec.timezone ?? "UTC";
  const formats = spec.formats?.length ? spec.formats : ["iso"];
  const parsers = formats.map((format) => (format === "iso" ? iso : pattern(format)));
  return (value) => {
    if (typeof value === "string") {
      const text = strip(value);
      if (text === "" || markers.has(text)) return null;
      for (const parse of parsers) {
        const parts = parse(text);
        if (parts === null) continue;
        const at = instantOf(parts, zone);
        if (at < FIRST || at > LAST) throw new Unreadable("out-of-range", `${short(text)} lies outside the years 1 to 9999 in UTC`);
        return at;
      }
      throw new Unreadable("wrong-type", `${short(text)} is not a date of the form ${formats.join(" or ")}`);
    }
    if (value === null || value === undefined || Number.isNaN(value)) return null;
    throw new Unreadable("wrong-type", `${describe(value)} is not a date: it must be text`);
  };
}

/** The date of an instant in UTC, as 2024-02-29. */
export function dateOf(at) {
  const days = Number((at - (((at % DAY_US) + DAY_US) % DAY_US)) / DAY_US) + 719_468;
  const era = Math.floor(days / 146_097);
  const day = days - era * 146_097;
  const yearOfEra = Math.floor((day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365);
  const dayOfYear = day - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153); // months from March on
  const month = shifted + (shifted < 10 ? 3 : -9);
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const digits = (number, width) => String(number).padStart(width, "0");
  return `${digits(year, 4)}-${digits(month, 2)}-${digits(dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1, 2)}`;
}

/** The reason why instants of a zone cannot be read here, or null. */
export function zoneProblem(zone) {
  try {
    if (zone !== undefined && zone !== "UTC") new Intl.DateTimeFormat("en", { timeZone: zone });
    return null;
  } catch {
    return `the time zone ${zone} is not known to this browser`;
  }
}

// A parsed instant: {seconds: of the clock on the wall since 1970, micros, offset: seconds east of UTC or null}.

function iso(text) {
  const found = ISO.exec(text);
  if (found === null) return null;
  const [, year, month, day, hour, minute, second, fraction, zulu, sign, hours, minutes] = found;
  let offset = null;
  if (zulu) offset = 0;
  else if (sign) {
    offset = Number(hours) * 3600 + Number(minutes ?? 0) * 60;
    if (offset >= DAY_S) return null;
    if (sign === "-") offset = -offset;
  }
  const micros = fraction ? Number(fraction.slice(0, 6).padEnd(6, "0")) : 0;
  return clock(Number(year), Number(month), Number(day), Number(hour ?? 0), Number(minute ?? 0), Number(second ?? 0), micros, offset);
}

function clock(year, month, day, hour, minute, second, micros, offset) {
  if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return null;
  if (hour > 23 || minute > 59 || second > 59) return null;
  return { seconds: daysSince1970(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second, micros, offset };
}

const isLeap = (year) => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
const daysIn = (year, month) => (month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);

/** Days from 1970-01-01, in the calendar that Python has (Gregorian, also before 1582). */
function daysSince1970(year, month, day) {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function instantOf({ seconds, micros, offset }, zone) {
  const east = offset ?? (zone === "UTC" ? 0 : offsetOfWall(zone, seconds));
  return (BigInt(seconds) - BigInt(Math.round(east * 1e6)) / 1_000_000n) * 1_000_000n + BigInt(micros) - (BigInt(Math.round(east * 1e6)) % 1_000_000n);
}

/** The offset at which a wall clock shows `seconds`: of a twice-told hour the first, of a skipped one that before it. */
function offsetOfWall(zone, seconds) {
  const before = offsetAt(zone, seconds - DAY_S);
  const after = offsetAt(zone, seconds + DAY_S);
  if (before === after || offsetAt(zone, seconds - before) === before) return before;
  return offsetAt(zone, seconds - after) === after ? after : before;
}

const clocks = new Map();

/** Seconds east of UTC at an instant. */
function offsetAt(zone, seconds) {
  if (!clocks.has(zone)) {
    const parts = { year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric", second: "numeric" };
    clocks.set(zone, new Intl.DateTimeFormat("en-US-u-ca-iso8601", { ...parts, era: "short", hourCycle: "h23", timeZone: zone }));
  }
  const shown = {};
  for (const { type, value } of clocks.get(zone).formatToParts(new Date(seconds * 1000))) shown[type] = value;
  const year = /B/.test(shown.era ?? "") ? 1 - Number(shown.year) : Number(shown.year);
  const days = daysSince1970(year, Number(shown.month), Number(shown.day));
  return days * DAY_S + Number(shown.hour) * 3600 + Number(shown.minute) * 60 + Number(shown.second) - seconds;
}

// ---------------------------------------------------------------- patterns of `strptime`, in English

const named = (names) => names.map((name) => name.toLowerCase()).sort((a, b) => b.length - a.length).join("|");
const DIRECTIVES = {
  d: "3[0-1]|[1-2]\\d|0[1-9]|[1-9]| [1-9]",
  f: "[0-9]{1,6}",
  H: "2[0-3]|[0-1]\\d|\\d",
  I: "1[0-2]|0[1-9]|[1-9]",
  j: "36[0-6]|3[0-5]\\d|[1-2]\\d\\d|0[1-9]\\d|00[1-9]|[1-9]\\d|0[1-9]|[1-9]",
  m: "1[0-2]|0[1-9]|[1-9]",
  M: "[0-5]\\d|\\d",
  S: "6[0-1]|[0-5]\\d|\\d",
  y: "\\d\\d",
  Y: "\\d\\d\\d\\d",
  z: "[+-]\\d\\d:?[0-5]\\d(?::?[0-5]\\d(?:\\.\\d{1,6})?)?|z",
  A: named(DAYS),
  a: named(DAYS.map((day) => day.slice(0, 3))),
  B: named(MONTHS),
  b: named(MONTHS.map((month) => month.slice(0, 3))),
  p: "am|pm",
};

/** Whether this decoder can read a pattern. */
export const readable = (format) =>
  format === "iso" || [...format.matchAll(/%(.)/g)].every(([, letter]) => letter === "%" || letter in DIRECTIVES);

function pattern(format) {
  const source = format
    .replace(/[\\.^$*+?(){}[\]|]/g, "\\$&")
    .replace(/\s+/g, "\\s+")
    .replace(/%(.)/g, (_, letter) => (letter === "%" ? "%" : `(?<${letter}>${DIRECTIVES[letter]})`));
  const expression = new RegExp(`^(?:${source})$`, "i");
  return (text) => {
    if (!isAscii(text) && /\p{Nd}/u.test(text.replace(/[0-9]/g, ""))) return null;
    const found = expression.exec(text)?.groups;
    return found === undefined ? null : fromGroups(found);
  };
}

function fromGroups(found) {
  const number = (name, otherwise) => (found[name] === undefined ? otherwise : Number(found[name]));
  let year = number("Y", 1900);
  if (found.y !== undefined) year = Number(found.y) + (Number(found.y) <= 68 ? 2000 : 1900);
  let month = number("m", 1);
  if (found.B) month = MONTHS.indexOf(found.B.toLowerCase()) + 1;
  if (found.b) month = MONTHS.findIndex((name) => name.startsWith(found.b.toLowerCase())) + 1;
  let hour = number("H", 0);
  if (found.I !== undefined) hour = (Number(found.I) % 12) + (found.p?.toLowerCase() === "pm" ? 12 : 0);
  const micros = found.f === undefined ? 0 : Number(found.f.padEnd(6, "0"));
  const dated = found.j === undefined ? [month, number("d", 1)] : dayOfYear(year, Number(found.j));
  return clock(year, ...dated, hour, number("M", 0), number("S", 0), micros, found.z === undefined ? null : offsetOf(found.z));
}

function dayOfYear(year, day) {
  let month = 1;
  let rest = day;
  while (month < 12 && rest > daysIn(year, month)) rest -= daysIn(year, month++);
  return [month, rest];
}

function offsetOf(text) {
  if (/^z$/i.test(text)) return 0;
  const digits = text.slice(1).replaceAll(":", "");
  const [whole, fraction = ""] = digits.split(".");
  const seconds = Number(whole.slice(0, 2)) * 3600 + Number(whole.slice(2, 4)) * 60 + Number(whole.slice(4, 6) || 0);
  const offset = seconds + Number(`0.${fraction || 0}`);
  return text.startsWith("-") ? -offset : offset;
}

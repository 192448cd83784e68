// What becomes of personal values on their way in. A page has no privacy key: what has to be hashed or shifted is refused, unless
// it comes protected already, marked by its action: {"email": {"hash": "h..."}}.

import { columnReader } from "./decoder.mjs";
import { dateOf } from "./instants.mjs";
import { numberText, strip } from "./text.mjs";
import { Unreadable } from "./unreadable.mjs";

const MASKED = "***";

/** Raw value of a personal column -> protected text, or null where it is missing or dropped. */
export function protector(spec) {
  const { privacy, name } = spec;
  const [action, argument] = [privacy.action.split(":")[0], privacy.action.split(":").slice(1).join(":").trim()];
  const change = changeOf(name, privacy, action, argument);
  return (value) => {
    if (action === "drop") return null;
    if (value !== null && typeof value === "object" && !Array.isArray(value)) {
      const marked = value[privacy.action];
      if (Object.keys(value).length === 1 && typeof marked === "string") return marked;
      throw new Unreadable("wrong-type", `'${name}' holds an object that is no value protected by '${privacy.action}'`);
    }
    try {
      return change(value);
    } catch (error) {
      if (!(error instanceof Unreadable) || error.code === "privacy") throw error;
      throw new Unreadable(error.code, `the value of '${name}' cannot be read; as personal data it is not shown`);
    }
  };
}

function changeOf(name, privacy, action, argument) {
  const as = (kind) => columnReader({ ...privacy, name, kind });
  const changes = {
    drop: () => () => null,
    mask: () => (argument === "hits" ? hitsMasked(as("text"), privacy.masks ?? []) : of(as("identifier"), () => MASKED)),
    band: () => of(as("numeric"), banded(Number(argument))),
    prefix: () => of(as("identifier"), (text) => strip([...text].slice(0, Number(argument)).join(""))),
    month: () => of(as("datetime"), (at) => `${dateOf(at).slice(0, 7)}-01`),
    year: () => of(as("datetime"), (at) => `${dateOf(at).slice(0, 4)}-01-01`),
    network: () => of(as("identifier"), network),
    hash: () => of(as("identifier"), () => keyless(name)),
    shift: () => of(as("datetime"), () => keyless(name)),
  };
  if (!(action in changes)) throw new Error(`column ${name}: the privacy action ${privacy.action} is unknown to this page`);
  return changes[action]();
}

const of = (read, change) => (value) => {
  const found = read(value);
  return found === null ? null : change(found);
};

function keyless(name) {
  throw new Unreadable("privacy", `'${name}' is hashed or shifted by a secret of the project, which no page holds: leave the field out`);
}

function banded(width) {
  const decimals = width.toFixed(12).replace(/0+$/, "").split(".")[1].length;
  const edge = (band) => Number((band * width).toFixed(decimals));
  return (number) => {
    if (!Number.isFinite(number / width)) throw new Unreadable("out-of-range", "it has no band");
    const band = Math.floor(number / width); // 0.6 / 0.1 is 5.999...: edges decide, which are written as people write them
    return numberText(edge(band + 1) <= number ? edge(band + 1) : edge(band - (edge(band) > number ? 1 : 0)));
  };
}

function hitsMasked(read, masks) {
  const compiled = masks.map(({ tag, needs, pattern }) => ({ tag: `[${tag}]`, needs: new RegExp(needs), pattern: new RegExp(pattern, "g") }));
  return of(read, (text) => {
    const holds = compiled.map(({ needs }) => needs.test(text));
    return compiled.reduce((masked, { tag, pattern }, i) => (holds[i] ? masked.replace(pattern, () => tag) : masked), text);
  });
}

// ---------------------------------------------------------------- internet addresses

function network(text) {
  const plain = text.split("%")[0]; // without the zone of a link
  const v4 = octetsOf(plain);
  if (v4 !== null) return `${v4.slice(0, 3).join(".")}.0/24`;
  const words = wordsOf(plain);
  if (words === null) throw new Unreadable("wrong-type", "no internet address");
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) return `${words[6] >> 8}.${words[6] & 255}.${words[7] >> 8}.0/24`;
  return `${compressed([...words.slice(0, 3), 0, 0, 0, 0, 0])}/48`;
}

function octetsOf(text) {
  const parts = text.split(".");
  const isOctet = (part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) < 256;
  return parts.length === 4 && parts.every(isOctet) ? parts.map(Number) : null;
}

/** The eight words of an IPv6 address, or null. */
function wordsOf(text) {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || text.split("::").length > 2) return null;
  const [head, tail] = text.split("::").map((part) => (part === "" ? [] : part.split(":")));
  const all = [head, tail ?? []].map((parts, side, both) => {
    const isEnd = side === 1 || both[1].length === 0;
    const v4 = isEnd && parts.length ? octetsOf(parts.at(-1)) : null;
    return v4 === null ? parts : [...parts.slice(0, -1), ((v4[0] << 8) | v4[1]).toString(16), ((v4[2] << 8) | v4[3]).toString(16)];
  });
  if (!all.flat().every((part) => /^[0-9a-fA-F]{1,4}$/.test(part))) return null;
  const gap = 8 - all[0].length - all[1].length;
  if (tail === undefined ? gap !== 0 : gap < 1) return null;
  return [...all[0], ...Array(gap).fill("0"), ...all[1]].map((part) => parseInt(part, 16));
}

/** As Python writes an address: the first longest run of zeros is "::". The last five words are zero here. */
function compressed(words) {
  const ends = words.slice(0, 3);
  while (ends.length && ends.at(-1) === 0) ends.pop();
  return `${ends.map((word) => word.toString(16)).join(":")}::`;
}

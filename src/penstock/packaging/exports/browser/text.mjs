// Text as the decoder of Penstock sees it. Every function answers as the Python function of the same name does.

// What Python strips: not what `trim` strips (a byte order mark is no white space, a file separator is).
const SPACE = "\\t\\n\\v\\f\\r\\x1c-\\x1f \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const ENDS = new RegExp(`^[${SPACE}]+|[${SPACE}]+$`, "g");
const SPACES = new RegExp(`[${SPACE}]+`);
const ASCII = /^[\x00-\x7f]*$/;
const WORD = /[\p{L}\p{N}_]+/gu;
const GAP = /[^\p{L}\p{N}_]+/gu;
const DIGIT = /\p{Nd}/gu;
const MARK = /^\p{M}$/u;
const PUNCTUATION = /^[\p{P}!-/:-@[-`{-~]$/u;

export const isAscii = (text) => ASCII.test(text);
export const strip = (text) => text.replace(ENDS, "");
export const composed = (text) => (isAscii(text) ? text : text.normalize("NFC"));

/** White space apart, as `str.split()` does it. */
export const split = (text) => strip(text).split(SPACES).filter((token) => token !== "");

/** Half of a surrogate pair is no Unicode. */
export const isWellFormed = (text) => !/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text);

/** The words of a text: NFKC, lower case, one space between them. */
export function normaliseText(text) {
  if (isAscii(text)) return (text.toLowerCase().match(WORD) ?? []).join(" ");
  const lower = text.normalize("NFKC").toLowerCase();
  return lower.replace(GAP, (between, at) => gap(between, at)).replace(/^ +| +$/g, "");
}

/** Marks that belong to the word before stay with it; the rest is one space. */
function gap(between, at) {
  if (between === " ") return between;
  const signs = [...between];
  let kept = 0;
  if (at > 0) while (kept < signs.length && MARK.test(signs[kept])) kept += 1;
  return signs.slice(0, kept).join("") + (kept < signs.length ? " " : "");
}

/** The words of a text as they enter the graph: behind a word with digits stands its shape. */
export function packedWords(text) {
  const packed = [];
  for (const word of normaliseText(text).split(" ")) {
    packed.push(word);
    const shape = word.replace(DIGIT, "0");
    if (shape !== word) packed.push(shape);
  }
  return packed.join(" ");
}

/** A number as Python's `repr` writes it. */
export function repr(number) {
  if (!Number.isFinite(number)) return Number.isNaN(number) ? "nan" : number < 0 ? "-inf" : "inf";
  if (Object.is(number, -0)) return "-0.0";
  if (number === 0) return "0.0";
  const [mantissa, power] = number.toExponential().split("e"); // the shortest digits that give the number back
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace("-", "").replace(".", "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) {
    const rest = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${sign}${digits[0]}${rest}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}

/** The canonical text of a number: whole ones without ".0". */
export function numberText(number) {
  if (number > -1e21 && number < 1e21 && Number.isInteger(number)) return BigInt(number).toString();
  return repr(number);
}

/** A number in `digits` significant ones, as Python's format "g" writes it. */
export function general(number, digits) {
  if (number === 0) return "0";
  const [mantissa, power] = number.toExponential(digits - 1).split("e");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= digits) {
    const short = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
    return `${short}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  const plain = number.toFixed(Math.max(0, digits - 1 - exponent));
  return plain.includes(".") ? plain.replace(/\.?0+$/, "") : plain;
}

// ---------------------------------------------------------------- what the decoder prepares for the graph

const tokens = (text) => split(composed(text)).join(" ");
const lowercase = (text) => composed(text.toLowerCase());
const noPunct = (text) => text.split(" ").map(withoutEnds).filter((token) => token !== "").join(" ");
const characters = (text) => [...text.replaceAll(" ", "␣")].join(" ");
const oneToken = (value) => split(value).join("_");

function withoutEnds(token) {
  const signs = [...token];
  let start = 0;
  let end = signs.length;
  while (start < end && PUNCTUATION.test(signs[start])) start += 1;
  while (end > start && PUNCTUATION.test(signs[end - 1])) end -= 1;
  return signs.slice(start, end).join("");
}

function sparseBigrams(size) {
  return (text) => {
    const words = text.split(" ");
    const pairs = [];
    words.forEach((word, i) => {
      for (let step = 1; step < Math.min(size, words.length - i); step += 1) {
        pairs.push(word + "_".repeat(step) + words[i + step]);
      }
    });
    return pairs.join(" ");
  };
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit += 1) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

function crc32(text) {
  let rest = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) rest = (rest >>> 8) ^ CRC_TABLE[(rest ^ byte) & 255];
  return (rest ^ 0xffffffff) >>> 0;
}

const hashValue = (buckets) => (value) => (value ? String(crc32(value) % buckets) : "");

function hashTokens(buckets) {
  const bucket = hashValue(buckets);
  return (text) => (text ? text.split(" ").map(bucket).join(" ") : "");
}

const FUNCTIONS = {
  tokens: () => tokens,
  lowercase: () => lowercase,
  no_punct: () => noPunct,
  characters: () => characters,
  sparse_bigrams: sparseBigrams,
  hash_value: hashValue,
  hash_tokens: hashTokens,
  one_token: () => oneToken,
};

/** Whether this decoder can do what a tree of functions asks for. */
export function preparable(tree) {
  const known = ["cross", "bin"].includes(tree.function) || tree.function in FUNCTIONS;
  return known && tree.inputs.every((input) => typeof input === "string" || preparable(input));
}

/** A tree of functions over columns, as a function of a row's decoded values (name -> text, number or null). */
export function preparer(tree) {
  if (typeof tree === "string") return (row) => row[tree] ?? "";
  if (tree.function === "bin") return bin(tree.inputs[0], tree.numbers);
  const inputs = tree.inputs.map(preparer);
  if (tree.function === "cross") return (row) => crossed(inputs.map((read) => read(row)));
  const apply = FUNCTIONS[tree.function](...tree.params);
  return (row) => apply(inputs[0](row));
}

const FLOAT32_MAX = 3.4028234663852886e38;

/** The number of the bin of a number, from 0, of the float32 less its offset; on an edge, the upper one. */
function bin(name, [offset, ...edges]) {
  return (row) => {
    const value = row[name] ?? NaN;
    if (Number.isNaN(value)) return "-1";
    const less = Math.fround(Math.min(Math.max(value - offset, -FLOAT32_MAX), FLOAT32_MAX));
    return String(edges.filter((edge) => edge <= less).length);
  };
}

/** Every combination of a token of each text. */
function crossed(texts) {
  if (!texts.every((text) => text !== "")) return "";
  return texts
    .map((text) => text.split(" "))
    .reduce((heads, tails) => heads.flatMap((head) => tails.map((tail) => `${head}_${tail}`)))
    .join(" ");
}

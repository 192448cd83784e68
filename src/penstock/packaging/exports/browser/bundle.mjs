// A Penstock bundle at work in a browser: load it, check rows, predict. The graph is the very one that the server runs.

import { columnReader, classText } from "./decoder.mjs";
import { readable, zoneProblem } from "./instants.mjs";
import { protector } from "./privacy.mjs";
import { general, packedWords, preparable, preparer } from "./text.mjs";
import { Unreadable } from "./unreadable.mjs";

const FORMATS = { decoder: 2, signature: 2 };
const FLOAT32_MAX = 3.4028234663852886e38;
const MISSING_TIME = -(2n ** 63n);
const [ANSWER, LOW_CONFIDENCE] = [0, 1];

/** What the caller can put right: `what`, `why`, `try`, `path` and a stable `code`, as the server says them. */
export class RequestError extends Error {
  constructor({ code, what, why, wayOut, path }) {
    super(`${what}: ${why}`);
    Object.assign(this, { code, what, why, try: wayOut, path });
  }
}

export class Bundle {
  /**
   * @param ort the module onnxruntime-web, or another with its interface.
   * @param files name -> Uint8Array of `decoder.json`, `signature.json`, `graph.onnx`.
   */
  static async open(ort, files) {
    const read = (name) => JSON.parse(new TextDecoder().decode(files[name]));
    const [decoder, signature] = [read("decoder.json"), read("signature.json")];
    for (const [name, { format }] of Object.entries({ decoder, signature })) {
      if (format > FORMATS[name]) throw new Error(`the ${name} has format ${format}: this page knows formats up to ${FORMATS[name]}`);
    }
    const session = await ort.InferenceSession.create(files["graph.onnx"], { executionProviders: ["wasm"] });
    return new Bundle(ort, session, decoder, signature);
  }

  constructor(ort, session, decoder, signature) {
    this.signature = signature;
    this.ort = ort;
    this.session = session;
    const specs = new Map(decoder.columns.map((spec) => [spec.name, spec]));
    this.refuseStrange(specs);
    const { layout } = signature;
    this.fields = signature.columns.map((column) => ({ name: column.name, read: readerOf(specs.get(column.name)) }));
    this.known = new Map(signature.columns.filter((c) => c.known !== null).map((c) => [c.name, new Set(c.known)]));
    this.allowed = new Set([...specs.keys(), signature.target.name]);
    this.key = signature.key === null ? null : { name: signature.key, read: readerOf(specs.get(signature.key)) };
    this.texts = new Set(layout.texts);
    this.prepared = (layout.prepared ?? []).map(preparer);
  }

  /** What this decoder cannot do is said now and not answered wrongly later. */
  refuseStrange(specs) {
    for (const spec of specs.values()) {
      const odd = (spec.formats ?? []).find((format) => !readable(format));
      const problem = odd !== undefined ? `dates of the form ${odd} cannot be read here` : zoneProblem(spec.timezone);
      if (problem) throw new Error(`column ${spec.name}: ${problem}`);
    }
    const strange = (this.signature.layout.prepared ?? []).find((tree) => !preparable(tree));
    if (strange) throw new Error(`the preparation ${strange.function} is unknown to this page`);
  }

  /** Answers to rows, in order: objects as the server gives them, without `id`. One wrong row refuses all. */
  async predict(rows) {
    if (rows.length === 0) return [];
    const read = rows.map((row, number) => this.readRow(row, number));
    const outputs = await this.session.run(this.feeds(read.map(({ values }) => values)));
    return read.map((row, i) => this.answer(outputs, i, row));
  }

  // -------------------------------------------------------------- rows

  readRow(row, number) {
    if (row === null || typeof row !== "object" || Array.isArray(row)) {
      throw new RequestError({
        code: "bad-row", what: `rows[${number}] is not an object`, why: "each row is an object of fields",
        wayOut: 'write it as {"field": value, ...}', path: `rows[${number}]`,
      });
    }
    if (this.signature.extra_fields === "refuse") {
      const extra = Object.keys(row).find((name) => !this.allowed.has(name));
      if (extra !== undefined) {
        throw new RequestError({
          code: "unknown-field", what: `rows[${number}] has a field ${extra} that the model does not know`,
          why: `its fields are ${this.fields.map(({ name }) => name).join(", ")}`, wayOut: "take it out", path: `rows[${number}].${extra}`,
        });
      }
    }
    const values = {};
    for (const { name, read } of this.fields) values[name] = this.readValue(read, row, name, number);
    const key = this.key === null ? null : this.readValue(this.key.read, row, this.key.name, number);
    const missing = this.fields.map(({ name }) => name).filter((name) => values[name] === null);
    const unknown = [...this.known].filter(([name, known]) => values[name] !== null && !known.has(values[name])).map(([name]) => name);
    return { values, key, missing, unknown };
  }

  readValue(read, row, name, number) {
    try {
      return read(Object.hasOwn(row, name) ? row[name] : null);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      throw new RequestError({
        code: error.code, what: `rows[${number}].${name} cannot be read`, why: error.message,
        wayOut: "send a value of the declared kind, or null when there is none", path: `rows[${number}].${name}`,
      });
    }
  }

  /** The packed inputs of the graph: one tensor for each type. */
  feeds(rows) {
    const { numbers, strings, times, offsets = {} } = this.signature.layout;
    const { Tensor } = this.ort;
    const feeds = {};
    if (numbers.length) {
      const data = new Float32Array(rows.length * numbers.length);
      const less = numbers.map((name) => (Object.hasOwn(offsets, name) ? offsets[name] : 0)); // in double, before it is float32
      rows.forEach((row, i) => numbers.forEach((name, j) => (data[i * numbers.length + j] = toFloat32(row[name], less[j]))));
      feeds.numbers = new Tensor("float32", data, [rows.length, numbers.length]);
    }
    if (strings.length) {
      const data = rows.flatMap((row) => [
        ...strings.map((name) => (row[name] === null ? "" : this.texts.has(name) ? packedWords(row[name]) : row[name])),
        ...this.prepared.map((prepare) => prepare(row)),
      ]);
      feeds.strings = new Tensor("string", data, [rows.length, strings.length + this.prepared.length]);
    }
    if (times.length) {
      const data = BigInt64Array.from(rows.flatMap((row) => times.map((name) => row[name] ?? MISSING_TIME)));
      feeds.times = new Tensor("int64", data, [rows.length, times.length]);
    }
    return feeds;
  }

  // -------------------------------------------------------------- answers

  answer(outputs, i, { key, missing, unknown }) {
    const decision = Number(outputs.decision.data[i]);
    const novelty = outputs.novelty.data[i];
    const content = outputs.probabilities === undefined ? this.regression(outputs, i) : this.classification(outputs, i);
    const answer = key === null ? {} : { key };
    if (decision === ANSWER) Object.assign(answer, content.shown, { decision: "answer", reason: null });
    else {
      const reason = this.reason(decision, content.confidence, novelty, outputs.outside, i);
      Object.assign(answer, content.shown, { prediction: null, decision: "abstain", reason });
    }
    return Object.assign(answer, { novelty, missing, unknown });
  }

  classification({ label, probabilities }, i) {
    const { classes } = this.signature.target;
    const number = Number(label.data[i]);
    const shares = [...probabilities.data.subarray(i * classes.length, (i + 1) * classes.length)];
    const byName = Object.fromEntries(classes.map((name, k) => [classText(name), shares[k]]));
    return { shown: { prediction: classes[number], probabilities: byName }, confidence: shares[number] };
  }

  regression({ value }, i) {
    const { scale, interval } = this.signature;
    const point = scale === null ? value.data[i] : value.data[i] * scale.std + scale.mean;
    const bounds = interval === null ? null : [point + interval.low, point + interval.high];
    return { shown: { prediction: point, interval: bounds }, confidence: null };
  }

  reason(decision, confidence, novelty, outside, i) {
    const limit = this.signature.decision.abstain_below;
    if (decision === LOW_CONFIDENCE) {
      return confidence === null || limit === null ? "low confidence" : `low confidence: ${below(confidence, limit)} is below ${general(limit, 6)}`;
    }
    const { columns } = this.signature;
    const flagged = columns.filter((_, j) => outside.data[i * columns.length + j]);
    if (!flagged.length) return `novel: the row is unlike the training data (novelty ${general(novelty, 3)})`;
    const isRanged = ({ kind }) => kind === "numeric" || kind === "datetime";
    const ranged = flagged.filter(isRanged).map(({ name }) => name);
    const valued = flagged.filter((column) => !isRanged(column)).map(({ name }) => name);
    const parts = [];
    if (ranged.length) parts.push(`${listed(ranged)} outside the range seen in training`);
    if (valued.length) parts.push(`${listed(valued)} not among the values seen in training`);
    return `novel: ${parts.join("; ")}`;
  }
}

/** A column's reader; what is personal is protected first, and read afterwards as the decoder declares. */
function readerOf(spec) {
  const read = columnReader(spec);
  if (!spec.privacy) return read;
  const protect = protector(spec);
  return (value) => read(protect(value));
}

const toFloat32 = (number, less) => (number === null ? NaN : Math.min(Math.max(number - less, -FLOAT32_MAX), FLOAT32_MAX));

/** A number in as few digits as still show that it is below the limit. */
function below(number, limit) {
  for (let digits = 2; digits < 18; digits += 1) {
    const text = general(number, digits);
    if (Number(text) < limit) return text;
  }
  return String(number);
}

function listed(names) {
  if (names.length === 1) return `${names[0]} is`;
  if (names.length > 4) return `${names.slice(0, 3).join(", ")} and ${names.length - 3} more are`;
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)} are`;
}

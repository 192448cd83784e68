// What answers the page: the bundle beside it, run by onnxruntime-web in this browser. Nothing leaves the machine.

import { Bundle, RequestError } from "./bundle.mjs";
import * as ort from "./ort/ort.wasm.min.mjs";

const FILES = ["decoder.json", "signature.json", "graph.onnx", "card.json", "examples.json", "manifest.json"];

ort.env.wasm.numThreads = 1; // with more, a row and a batch could differ in the last bit
ort.env.wasm.wasmPaths = new URL("./ort/", import.meta.url).href;

const about = await (await fetched("export.json")).json();
const files = Object.fromEntries(await Promise.all(FILES.map(async (name) => [name, new Uint8Array(await (await fetched(`bundle/${name}`)).arrayBuffer())])));
const parsed = (name) => JSON.parse(new TextDecoder().decode(files[name]));

export const bundle = await Bundle.open(ort, files);
await selfTest();

async function fetched(address) {
  const response = await fetch(new URL(address, import.meta.url));
  if (!response.ok) throw new Error(`${address} cannot be read: ${response.status}`);
  return response;
}

/** The answers that a server of this model gives to the same addresses. */
export async function ask(address, body) {
  if (address === "model") {
    const { model, version, deployment } = about;
    return { model, version, signature: bundle.signature, card: parsed("card.json"), deployment };
  }
  try {
    return { model: about.model, version: about.version, predictions: await bundle.predict(body.rows) };
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const { code, what, why, path } = error;
    return { error: { code, what, why, try: error.try, path } };
  }
}

/** The packaged examples are answered as they were when the model was packaged; floating-point numbers to 1e-5, or to what the bundle states. */
async function selfTest() {
  const { rows, answers, tolerance = 1e-5 } = parsed("examples.json");
  const got = await bundle.predict(rows);
  const unit = bundle.signature.scale?.std ?? 1;
  answers.forEach((expected, i) => {
    for (const name of Object.keys(expected).filter((name) => name !== "withheld")) {
      if (!alike(got[i][name], expected[name], unit, tolerance)) {
        throw new Error(`example ${i} is answered with ${name} = ${JSON.stringify(got[i][name])}, it was ${JSON.stringify(expected[name])}`);
      }
    }
  });
}

function alike(got, expected, unit, tolerance) {
  if (typeof got === "number" && typeof expected === "number") return Math.abs(got - expected) <= tolerance * Math.max(unit, Math.abs(expected));
  if (got === null || expected === null || typeof got !== "object" || typeof expected !== "object") return got === expected;
  const keys = Object.keys(expected);
  return keys.length === Object.keys(got).length && keys.every((key) => alike(got[key], expected[key], unit, tolerance));
}

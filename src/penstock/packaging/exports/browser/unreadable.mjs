// A value that is not what its column declares, and how values are called in messages.

import { numberText } from "./text.mjs";

export class Unreadable extends Error {
  constructor(code, why) {
    super(why);
    this.code = code;
  }
}

/** Text in quotes, as Python shows it, and not at length. */
export function short(text) {
  const cut = [...text].length <= 60 ? text : `${[...text].slice(0, 57).join("")}...`;
  const quote = cut.includes("'") && !cut.includes('"') ? '"' : "'";
  return quote + cut.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll(quote, `\\${quote}`) + quote;
}

export function describe(value) {
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "number") return Math.abs(value) < 1e30 ? `the number ${numberText(value)}` : "a huge number";
  return Array.isArray(value) ? "an array" : "an object";
}

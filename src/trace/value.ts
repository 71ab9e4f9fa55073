// A decoded argument: a tree that is shown as strace's text or as JSON.

import { quote } from "./quote.js";

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export type Value =
  /** Whatever is said by its text alone: names of flags, `makedev(0x8, 0x1)`. */
  | { readonly kind: "text"; readonly text: string; readonly json: Json }
  | { readonly kind: "string"; readonly bytes: Uint8Array; readonly isCut: boolean; readonly prefix: string }
  | { readonly kind: "struct"; readonly fields: readonly Field[]; readonly isCut: boolean }
  | { readonly kind: "array"; readonly items: readonly Value[]; readonly isCut: boolean }
  /** What it was and what it became. */
  | { readonly kind: "change"; readonly from: Value; readonly to: Value }
  /** A value with a remark behind it that belongs to the text alone. */
  | { readonly kind: "remark"; readonly value: Value; readonly remark: string };

/** A name is empty where strace says the value alone. */
export type Field = readonly [name: string, value: Value];

/** Exact in JSON: a number up to 2^53, decimal digits beyond. */
export const jsonInteger = (value: bigint): Json =>
  value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : String(value);

export const text = (string: string, json: Json = string): Value => ({ kind: "text", text: string, json });
export const decimal = (value: bigint): Value => text(String(value), jsonInteger(value));
export const hexadecimalValue = (value: bigint): Value =>
  text(value === 0n ? "0" : `0x${value.toString(16)}`, jsonInteger(value));
export const addressValue = (value: bigint): Value =>
  value === 0n ? text("NULL", null) : text(`0x${value.toString(16)}`);
export const string = (bytes: Uint8Array, isCut = false, prefix = ""): Value => ({
  kind: "string",
  bytes,
  isCut,
  prefix,
});
export const struct = (fields: readonly Field[], isCut = false): Value => ({ kind: "struct", fields, isCut });
export const array = (items: readonly Value[], isCut = false): Value => ({ kind: "array", items, isCut });

const listed = (parts: string[], isCut: boolean): string => (isCut ? [...parts, "..."] : parts).join(", ");

/** As strace says it. */
export function valueText(value: Value): string {
  switch (value.kind) {
    case "text":
      return value.text;
    case "string":
      return `${value.prefix}${quote(value.bytes)}${value.isCut ? "..." : ""}`;
    case "struct": {
      const fields = value.fields.map(([name, field]) => (name === "" ? "" : `${name}=`) + valueText(field));
      return `{${listed(fields, value.isCut)}}`;
    }
    case "array":
      return `[${listed(value.items.map(valueText), value.isCut)}]`;
    case "change":
      return `${valueText(value.from)} => ${valueText(value.to)}`;
    case "remark":
      return `${valueText(value.value)}${value.remark}`;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** A string where the bytes are UTF-8, else what they are in base64. */
function bytesJson(bytes: Uint8Array): Json {
  try {
    return utf8.decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
}

export function valueJson(value: Value): Json {
  switch (value.kind) {
    case "text":
      return value.json;
    case "string": {
      const content = bytesJson(value.bytes);
      return value.isCut ? { beginning: content } : content;
    }
    case "struct":
      return Object.fromEntries(
        value.fields.map(([name, field], index): [string, Json] => [
          name === "" ? String(index) : name,
          valueJson(field),
        ]),
      );
    case "array":
      return value.items.map(valueJson);
    case "change":
      return { before: valueJson(value.from), after: valueJson(value.to) };
    case "remark":
      return valueJson(value.value);
  }
}

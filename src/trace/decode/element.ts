// What is in memory: a number, or a struct by its layout.

import { type Layout, type Field as LayoutField, layouts } from "../../kernel-interface/struct-layout.js";
import { type Field, type Value, array, string, struct } from "../value.js";
import { type Call, unsignedAt } from "./context.js";
import { numbers } from "./number.js";

/** @returns bytes of an element of the type, null when it is neither a number nor a struct */
export const elementSize = (type: string): number | null => layouts.get(type)?.size ?? numbers.get(type)?.size ?? null;

/** @returns the string in a field of fixed size, which ends at its first NUL if there is one */
export function fixedString(bytes: Uint8Array): Value {
  const end = bytes.indexOf(0);
  return string(end < 0 ? bytes : bytes.subarray(0, end));
}

function fieldElement(call: Call, field: LayoutField, bytes: Uint8Array, offset: number): Value {
  const layout = layouts.get(field.type);
  if (layout !== undefined) return structValue(call, layout, bytes.subarray(offset, offset + layout.size));
  const number = numbers.get(field.type);
  if (number === undefined) throw new Error(`no such type: ${field.type}`);
  return number.show(unsignedAt(bytes, offset, field.setSize ?? number.size), call);
}

function fieldValue(call: Call, field: LayoutField, bytes: Uint8Array): Value {
  if (field.type === "char") return fixedString(bytes.subarray(field.offset, field.offset + field.count!));
  if (field.count === null) return fieldElement(call, field, bytes, field.offset);
  const size = field.setSize ?? elementSize(field.type)!;
  return array(
    Array.from({ length: field.count }, (_, index) => fieldElement(call, field, bytes, field.offset + index * size)),
  );
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** A struct by its layout; what only -v shows is `...` without it. */
export function structValue(call: Call, layout: Layout, bytes: Uint8Array): Value {
  const shown = layout.fields.filter((field) => call.options.isVerbose || !field.isVerbose);
  const fields = shown
    .filter((field) => {
      const size = field.setSize ?? elementSize(field.type) ?? 1;
      return !field.isOptional || !isZero(bytes.subarray(field.offset, field.offset + size));
    })
    .map((field): Field => [field.name, fieldValue(call, field, bytes)]);
  return struct(fields, shown.length < layout.fields.length);
}

/** A number or a struct at the beginning of `bytes`. */
export function elementValue(call: Call, type: string, bytes: Uint8Array): Value {
  const layout = layouts.get(type);
  if (layout !== undefined) return structValue(call, layout, bytes);
  const number = numbers.get(type);
  if (number === undefined) throw new Error(`no such type: ${type}`);
  return number.show(unsignedAt(bytes, 0, number.size), call);
}

export const structOf = (call: Call, name: string, bytes: Uint8Array): Value =>
  structValue(call, layouts.get(name)!, bytes);

// What is known of each system call: its arguments with their types, its result, and its classes. The rows are in
// signatures.txt, which says what the types mean; names and directions of the arguments come from the engine's syscalls.txt.

import { signatureRows } from "./signatures.js";

/** What the kernel does through a pointer: nothing (no pointer), reads, writes, both, or writes through what it finds there too. */
export type Direction = "" | "<" | ">" | "=" | ">>";

/** How many bytes or elements are behind a pointer. */
export type Length =
  | { readonly kind: "argument"; readonly argument: number }
  /** What the call returned, at most the value of `argument`. */
  | { readonly kind: "result"; readonly argument: number | null }
  /** As many as argument `argument` has, at exit at most what the call returned. */
  | { readonly kind: "vector"; readonly argument: number }
  /** A 32-bit number that `argument` points to. */
  | { readonly kind: "indirect"; readonly argument: number }
  | { readonly kind: "constant"; readonly count: number };

export interface Argument {
  readonly name: string;
  readonly direction: Direction;
  readonly type: string;
  readonly length: Length | null;
  /** The kernel writes it when the call is interrupted, and only then. */
  readonly isForInterruption: boolean;
}

export interface Signature {
  readonly number: number;
  readonly name: string;
  readonly classes: ReadonlySet<string>;
  readonly arguments: readonly Argument[];
  readonly result: string;
}

function parseLength(text: string): Length {
  const match = /^(?:(\d)|\^(\d?)|(\d)\^|\*(\d)|=(\d+))$/.exec(text);
  if (match === null) throw new Error(`no such length: [${text}]`);
  const [, argument, result, vector, indirect, count] = match;
  if (argument !== undefined) return { kind: "argument", argument: Number(argument) };
  if (result !== undefined) return { kind: "result", argument: result === "" ? null : Number(result) };
  if (vector !== undefined) return { kind: "vector", argument: Number(vector) };
  if (indirect !== undefined) return { kind: "indirect", argument: Number(indirect) };
  return { kind: "constant", count: Number(count) };
}

const ARGUMENT = /^(<|>>|>|=|)([a-z_][a-z0-9_]*):([a-z_][a-z0-9_]*)(?:\[([^\]]+)\])?(!?)$/;

function parseArgument(text: string): Argument {
  const match = ARGUMENT.exec(text);
  if (match === null) throw new Error(`not an argument: ${text}`);
  const [, direction, name, type, length, failure] = match;
  return {
    name: name!,
    direction: direction as Direction,
    type: type!,
    length: length === undefined ? null : parseLength(length),
    isForInterruption: failure === "!",
  };
}

function parseRow(row: string): Signature {
  const [number, name, classes, result, ...parameters] = row.split(" ");
  return {
    number: Number(number),
    name: name!,
    classes: new Set(classes === "-" ? [] : classes!.split(",")),
    arguments: parameters.map(parseArgument),
    result: result!,
  };
}

/** By number. */
export const signatures: ReadonlyMap<number, Signature> = new Map(
  signatureRows
    .trim()
    .split("\n")
    .map(parseRow)
    .map((signature) => [signature.number, signature]),
);

/** By name. */
export const signatureByName: ReadonlyMap<string, Signature> = new Map(
  [...signatures.values()].map((signature) => [signature.name, signature]),
);

/** Every class of calls, without the `%` that an expression has in front of them. */
export const classNames: ReadonlySet<string> = new Set([...signatures.values()].flatMap(({ classes }) => [...classes]));

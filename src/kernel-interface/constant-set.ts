// Sets of named constants: what a number of the kernel's interface is called. The sets are in constants.txt, their values in
// constants.ts, which is generated from the headers.

import { constantRows, errnoMessages } from "./constants.js";

export interface ConstantSet {
  readonly isFlags: boolean;
  /** Bits that a value has. */
  readonly width: 32 | 64;
  /** What strace says of a value without a name: `O_???`. */
  readonly unknown: string;
  readonly constants: readonly { readonly name: string; readonly value: bigint }[];
  /** The first name of each value. */
  readonly names: ReadonlyMap<bigint, string>;
}

function parseRow(row: string): [string, ConstantSet] {
  const [kind, name, unknown, ...words] = row.split(" ");
  const constants = words.map((word) => {
    const at = word.indexOf("=");
    return { name: word.slice(0, at), value: BigInt(word.slice(at + 1)) };
  });
  const names = new Map<bigint, string>();
  for (const constant of constants) if (!names.has(constant.value)) names.set(constant.value, constant.name);
  return [
    name!,
    { isFlags: kind !== "enum", width: kind === "flags64" ? 64 : 32, unknown: unknown!, constants, names },
  ];
}

/** By name. */
export const constantSets: ReadonlyMap<string, ConstantSet> = new Map(constantRows.trim().split("\n").map(parseRow));

/** @returns the set, which is known to exist */
export function constantSet(name: string): ConstantSet {
  const set = constantSets.get(name);
  if (set === undefined) throw new Error(`no such set of constants: ${name}`);
  return set;
}

/** @returns the value of a name that the set is known to have */
export function constant(set: string, name: string): bigint {
  const found = constantSet(set).constants.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`${set} has no ${name}`);
  return found.value;
}

export const hexadecimal = (value: bigint): string => (value === 0n ? "0" : `0x${value.toString(16)}`);

const comment = (value: bigint, set: ConstantSet): string => `${hexadecimal(value)} /* ${set.unknown} */`;

/** Names of the flags in `value` and what is left of it, as strace joins them: `O_CREAT|0x40`, `0x40 /* O_??? *\/`, `0`. */
export function flagsText(set: ConstantSet, value: bigint): string {
  let left = BigInt.asUintN(set.width, value);
  if (left === 0n) return set.names.get(0n) ?? "0";
  const names: string[] = [];
  for (const { name, value: bits } of set.constants) {
    if (bits === 0n || (left & bits) !== bits) continue;
    names.push(name);
    left &= ~bits;
  }
  if (names.length === 0) return comment(left, set);
  return left === 0n ? names.join("|") : `${names.join("|")}|${hexadecimal(left)}`;
}

/** The name of a value, or the value and a comment. `value` is signed where the set has negative values. */
export const enumText = (set: ConstantSet, value: bigint): string =>
  set.names.get(BigInt.asIntN(32, value)) ??
  set.names.get(BigInt.asUintN(32, value)) ??
  comment(BigInt.asUintN(32, value), set);

const errnoNames = constantSet("errno").names;
const messages = new Map(
  errnoMessages
    .trim()
    .split("\n")
    .map((row): [string, string] => [row.slice(0, row.indexOf(" ")), row.slice(row.indexOf(" ") + 1)]),
);

/** What the kernel tells a tracer, never the program: the call is made again, or ends in EINTR. */
const restarts = new Map([
  ["ERESTARTSYS", "To be restarted if SA_RESTART is set"],
  ["ERESTARTNOINTR", "To be restarted"],
  ["ERESTARTNOHAND", "To be restarted if no handler"],
  ["ERESTART_RESTARTBLOCK", "Interrupted by signal"],
]);

/** @returns the name of an errno with what it means, null when it has none */
export function errnoText(errno: number): { name: string; message: string; isRestart: boolean } | null {
  const name = errnoNames.get(BigInt(errno));
  if (name === undefined) return null;
  const restart = restarts.get(name);
  return { name, message: restart ?? messages.get(name) ?? "", isRestart: restart !== undefined };
}

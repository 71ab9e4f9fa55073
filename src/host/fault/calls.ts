// What faults have to know of each call beside its signature: which arguments name files, and how much it reads or writes.

import { type Signature, signatureByName, signatures } from "../../kernel-interface/signature.js";

/** A path among the arguments, and the descriptor that it is relative to; null: the current folder. */
export interface PathArgument {
  readonly argument: number;
  readonly directory: number | null;
}

export interface SizeArgument {
  /** Bytes, or elements of a vector. */
  readonly argument: number;
  /** For a vector: the call that does the same with one buffer. */
  readonly single: string | null;
}

/** Calls that read or write, and give how many bytes that was. */
const sizes: ReadonlyMap<string, SizeArgument> = new Map(
  (
    [
      ["read", 2, null],
      ["write", 2, null],
      ["pread64", 2, null],
      ["pwrite64", 2, null],
      ["recvfrom", 2, null],
      ["sendto", 2, null],
      ["sendfile", 3, null],
      ["splice", 4, null],
      ["tee", 2, null],
      ["copy_file_range", 4, null],
      ["getrandom", 1, null],
      ["readv", 2, "read"],
      ["writev", 2, "write"],
      ["preadv", 2, "pread64"],
      ["pwritev", 2, "pwrite64"],
    ] as const
  ).map(([name, argument, single]) => [name, { argument, single }]),
);

export const sizeOf = (signature: Signature): SizeArgument | null => sizes.get(signature.name) ?? null;
export const shortNames: readonly string[] = [...sizes.keys()];

/** Paths that the call is given: of two at most. */
export function pathsOf(signature: Signature): readonly PathArgument[] {
  return signature.arguments.flatMap(({ type, direction }, argument) => {
    if (type !== "path" || direction !== "<") return [];
    const isRelative = argument > 0 && signature.arguments[argument - 1]!.type === "dirfd";
    return [{ argument, directory: isRelative ? argument - 1 : null }];
  });
}

/** Arguments that are descriptors of files that the call is about, not of a folder that a path begins in. */
export const descriptorsOf = (signature: Signature): readonly number[] =>
  signature.arguments.flatMap(({ type, direction }, argument) => (type === "fd" && direction === "" ? [argument] : []));

export const isOnFiles = (signature: Signature): boolean =>
  pathsOf(signature).length > 0 || descriptorsOf(signature).length > 0;

/** Calls that do not come back, or not to where they were made: they can be late, and nothing else. */
const withoutReturn = new Set(["exit", "exit_group", "rt_sigreturn"]);
export const returns = (signature: Signature): boolean => !withoutReturn.has(signature.name);

export const numberOf = (name: string): number => signatureByName.get(name)!.number;
export const nameOf = (number: number): string => signatures.get(number)?.name ?? String(number);

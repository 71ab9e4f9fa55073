// What the launcher needs to find a launcher with hooks again without Node (src/abi/known-launcher.ts has the layout).

import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import * as abi from "../../abi/known-launcher.js";
import { CacheError, cacheFolder, claimFolder } from "../cache.js";
import { productsOf } from "../products.js";
import { writeAtomically } from "../write-atomically.js";

/** A file that changes twice between two ticks of the kernel's clock (10 ms at most) has the same times both times. */
const TICK_NS = 10_000_000n;

interface Observation {
  readonly path: string;
  readonly status: Buffer;
}

export interface Question {
  readonly root: string;
  /** As the user gave them: relative ones are relative to the current folder. */
  readonly hooks: readonly string[];
  /** Empty for none. */
  readonly expression: string;
}

/** Folders, too: their times say whether files were added or removed. */
function pathsUnder(path: string): string[] {
  if (!existsSync(path) || !statSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path).flatMap((name) => pathsUnder(join(path, name)))];
}

/** How files were before they were read; an absent one may decide, too, where another was found instead. */
export class Observations {
  private readonly seen = new Map<string, Observation>();
  /** Nanoseconds since 1970. */
  private newest = 0n;

  /** Call it before the file is read: a change in between then shows the next time. */
  add(path: string): void {
    if (!this.seen.has(path)) this.seen.set(path, { path, status: this.statusOf(path) });
  }

  /** @param inputs names of files and folders under `root` */
  addInstallation(root: string, inputs: readonly string[]): void {
    const { launcher, hash, wasm } = productsOf(root);
    for (const file of [launcher, hash, wasm]) this.add(file);
    for (const path of inputs.flatMap((name) => pathsUnder(join(root, name)))) this.add(path);
  }

  get all(): readonly Observation[] {
    return [...this.seen.values()];
  }

  /** Whether a further change to one of them would show. */
  isSettled(now = BigInt(Date.now()) * 1_000_000n): boolean {
    return this.newest + TICK_NS < now;
  }

  private statusOf(path: string): Buffer {
    const fields = Buffer.alloc(abi.KNOWN_STATUS_SIZE);
    const status = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (status === undefined) return fields;
    const { ino, size, mtimeNs, ctimeNs } = status;
    [ino, size, mtimeNs, ctimeNs].forEach((value, i) => fields.writeBigUInt64LE(BigInt.asUintN(64, value), 8 * i));
    if (ctimeNs > this.newest) this.newest = ctimeNs;
    return fields;
  }
}

const zeroTerminated = (text: string): Buffer => Buffer.from(`${text}\0`);

function encodeQuestion({ root, hooks, expression }: Question): Buffer {
  const folder = hooks.length === 0 ? [] : [process.cwd()];
  return Buffer.concat([join(root, "bin/flicker"), expression, ...folder, ...hooks].map(zeroTerminated));
}

/** FNV-1a of 64 bits, as 16 digits. */
function fnv1a(bytes: Buffer): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}

function encode(question: Buffer, files: readonly Observation[]): Buffer {
  const header = Buffer.alloc(abi.KNOWN_HEADER_SIZE);
  header.writeUInt32LE(abi.KNOWN_MAGIC, 0);
  header.writeUInt32LE(question.length, 4);
  header.writeUInt32LE(files.length, 8);
  const entries = files.flatMap(({ path, status }) => {
    const name = zeroTerminated(path);
    status.writeUInt16LE(name.length, abi.KNOWN_STATUS_SIZE - 2);
    return [status, name];
  });
  return Buffer.concat([header, question, ...entries]);
}

/**
 * Writes down that `launcher`, a file of the cache, answers the question as long as nothing observed has changed. Where that
 * cannot be written (no cache, a full disk), the next run asks again.
 */
export function rememberLauncher(question: Question, launcher: string, observed: Observations): void {
  const asked = encodeQuestion(question);
  if (asked.length > abi.KNOWN_QUESTION_MAX || !observed.isSettled()) return;
  const answer = new Observations();
  answer.add(launcher);
  try {
    const cache = claimFolder(cacheFolder());
    // One that was built beside an unusable cache is gone some day.
    if (!launcher.startsWith(cache + sep)) return;
    mkdirSync(join(cache, "known"), { recursive: true, mode: 0o700 });
    writeAtomically(join(cache, "known", fnv1a(asked)), encode(asked, [...answer.all, ...observed.all]), 0o600);
  } catch (error) {
    if (!(error instanceof CacheError) && (error as NodeJS.ErrnoException).code === undefined) throw error;
  }
}

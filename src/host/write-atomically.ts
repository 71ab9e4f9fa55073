// Files appear whole or not at all: two builds at once, a full disk or a killed process never leave half a launcher
// where another process may execute it.

import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/**
 * Writes `bytes` beside `path` and renames the result over it.
 * @param mode permission bits, not narrowed by the umask
 */
export function writeAtomically(path: string, bytes: Uint8Array | string, mode = 0o644): void {
  const data = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${randomBytes(4).toString("hex")}`);
  // "wx": O_EXCL does not follow a symbolic link that somebody put there.
  const descriptor = openSync(temporary, "wx", 0o600);
  try {
    try {
      for (let written = 0; written < data.length;) written += writeSync(descriptor, data, written);
      fchmodSync(descriptor, mode);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    // The descriptor is closed before the name appears: a file that is open for writing cannot be executed (ETXTBSY).
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

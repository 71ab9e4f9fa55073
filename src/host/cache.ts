// The user's cache of launchers that have hooks linked in. (The launcher without hooks is part of the installation:
// build.ts.)
//
//   $XDG_CACHE_HOME/flicker/            or ~/.cache/flicker; 0700, ours
//     launchers/<key>/launcher          the executable
//     launchers/<key>/launcher.sha256   its content's hash, written after it
//
// The key is a hash of everything that goes into a launcher, so that an entry is never changed, only made or removed.
// What is executed from here runs with the user's rights, so the folder is used only when nobody else can write to it
// or put another in its place, and an entry only when its content still has the hash it was stored with (a disk that
// was full, a machine that lost power).
//
// A cache that cannot be used is no reason to fail: the launcher is then made in a private temporary folder, with a
// message. That folder stays (the program runs from it); the system clears its temporary files.

import { createHash } from "node:crypto";
import { chmodSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { writeAtomically } from "./write-atomically.js";

/** A reason not to use a folder, as one line for the user. */
export class CacheError extends Error {}

const KEY = /^[0-9a-f]{16,64}$/;

export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex");

/** The folder that the XDG base directory specification gives; a relative XDG_CACHE_HOME counts as unset, as it says. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env, home: string = homedir()): string {
  const base = environment["XDG_CACHE_HOME"];
  return join(base !== undefined && isAbsolute(base) ? base : join(home, ".cache"), "flicker");
}

function effectiveUser(): number {
  const user = process.geteuid?.();
  if (user === undefined) throw new CacheError("this system has no user ids");
  return user;
}

/** As `mkdir -p`; Node's own never ends where a file system has no room for new folders and says ENOENT, as /proc does. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || existsSync(dirname(folder))) throw error;
    makeFolder(dirname(folder));
    makeFolder(folder);
  }
}

/** Makes the folder where it is missing, and checks that it is ours alone, all the way up to the root. */
export function claimFolder(folder: string): string {
  makeFolder(folder);
  // A user may well have moved the cache to another disk behind a symbolic link: what counts is where it leads.
  const real = realpathSync(folder);
  const status = lstatSync(real);
  if (!status.isDirectory()) throw new CacheError(`${folder} is not a folder`);
  if (status.uid !== effectiveUser()) throw new CacheError(`${folder} belongs to another user`);
  if ((status.mode & 0o077) !== 0) chmodSync(real, 0o700);
  checkAncestors(real);
  return real;
}

/** Whoever can write to an ancestor can put another folder in this one's place, unless that ancestor is sticky (/tmp). */
function checkAncestors(folder: string): void {
  for (let ancestor = dirname(folder); ; ancestor = dirname(ancestor)) {
    const status = lstatSync(ancestor);
    const trustedOwner = status.uid === 0 || status.uid === effectiveUser();
    const othersWrite = (status.mode & 0o022) !== 0 && (status.mode & 0o1000) === 0;
    if (!trustedOwner || othersWrite) throw new CacheError(`another user can write to ${ancestor}`);
    if (ancestor === dirname(ancestor)) return;
  }
}

function makeTemporary(folder: string, reason: string): string {
  try {
    return mkdtempSync(join(folder, "flicker-"));
  } catch (error) {
    throw new CacheError(`${reason}, and no folder can be made in ${folder}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

export class LauncherCache {
  private constructor(private readonly folder: string) {}

  /**
   * Opens the user's cache, or a private temporary folder when that cannot be used.
   * @param warn gets one line when the cache cannot be used
   */
  static open(warn: (line: string) => void, folder?: string, temporaryFolder = tmpdir()): LauncherCache {
    let wanted = folder;
    try {
      // A user without HOME who is in no passwd has no home folder, either.
      wanted ??= cacheFolder();
      return new LauncherCache(claimFolder(wanted));
    } catch (error) {
      return LauncherCache.openTemporary(warn, wanted ?? "in the home folder", temporaryFolder, error as Error);
    }
  }

  private static openTemporary(
    warn: (line: string) => void,
    folder: string,
    temporaryFolder: string,
    reason: Error,
  ): LauncherCache {
    const temporary = makeTemporary(temporaryFolder, `cache ${folder} cannot be used (${reason.message})`);
    warn(`cache ${folder} cannot be used (${reason.message}); building in ${temporary}`);
    return new LauncherCache(temporary);
  }

  private entry(key: string): { folder: string; launcher: string; hash: string } {
    if (!KEY.test(key)) throw new Error(`not a cache key: ${key}`);
    const folder = join(this.folder, "launchers", key);
    return { folder, launcher: join(folder, "launcher"), hash: join(folder, "launcher.sha256") };
  }

  /** The path of the launcher stored under `key`, or null when there is none or its content is not what was stored. */
  find(key: string): string | null {
    const { launcher, hash } = this.entry(key);
    return isIntact(launcher, hash) ? launcher : null;
  }

  /**
   * Stores a launcher and gives its path.
   * @throws CacheError when it cannot be written: a full disk, a limit
   */
  store(key: string, launcher: Uint8Array): string {
    const entry = this.entry(key);
    try {
      mkdirSync(entry.folder, { recursive: true, mode: 0o700 });
      // Nobody else comes here by its path, but a program that gives up its rights executes it through /proc/self/exe.
      writeAtomically(entry.launcher, launcher, 0o755);
      writeAtomically(entry.hash, `${sha256(launcher)}\n`, 0o600);
    } catch (error) {
      throw new CacheError(`${entry.launcher} cannot be written: ${(error as Error).message}`, { cause: error });
    }
    return entry.launcher;
  }

  /** The launcher under `key`, made by `build` when it is not there. */
  async findOrStore(key: string, build: () => Promise<Uint8Array>): Promise<string> {
    return this.find(key) ?? this.store(key, await build());
  }

  remove(key: string): void {
    rmSync(this.entry(key).folder, { recursive: true, force: true });
  }
}

/** Whether `file` has the content whose hash is in `hashFile`. */
export function isIntact(file: string, hashFile: string): boolean {
  try {
    return sha256(readFileSync(file)) === readFileSync(hashFile, "utf8").trim();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

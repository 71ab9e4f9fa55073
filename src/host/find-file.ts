// Which file a person means by a name, and which libraries a program loads.
//
// Libraries are looked for as ld.so does (ld.so(8)): DT_RPATH and DT_RUNPATH of the file that needs them, the folders of
// /etc/ld.so.conf, the usual folders. LD_LIBRARY_PATH, dlopen and folders for newer processors are not followed: what a
// process really maps is in /proc/PID/maps. ld.so itself could be asked, but that would run whatever the file names as its
// interpreter.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type ElfFile, ElfError, readElfFile, readVdso, VDSO_NAME } from "./elf-file.js";

const USUAL_FOLDERS = [
  "/lib/x86_64-linux-gnu",
  "/usr/lib/x86_64-linux-gnu",
  "/lib64",
  "/usr/lib64",
  "/lib",
  "/usr/lib",
];

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** The folders of /etc/ld.so.conf: one a line, and `include FOLDER/*.conf`. */
function configuredFolders(file = "/etc/ld.so.conf"): string[] {
  if (!isFile(file)) return [];
  const folders: string[] = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    const words = line.replace(/#.*/, "").trim();
    const included = /^include\s+(.*)\/\*\.conf$/.exec(words)?.[1];
    if (included !== undefined) {
      const folder = resolve(dirname(file), included);
      if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
      const names = readdirSync(folder).filter((name) => name.endsWith(".conf"));
      for (const name of names.sort()) folders.push(...configuredFolders(join(folder, name)));
    } else if (words.startsWith("/")) folders.push(words);
  }
  return folders;
}

function libraryFolders(): string[] {
  return [...configuredFolders(), ...USUAL_FOLDERS];
}

/** A library for AMD64: the same name may stand for a 32-bit one in another folder. */
function openLibrary(name: string, folders: readonly string[]): ElfFile | null {
  for (const folder of folders) {
    const path = join(folder, name);
    if (!isFile(path)) continue;
    try {
      return readElfFile(path);
    } catch (error) {
      if (!(error instanceof ElfError)) throw error;
    }
  }
  return null;
}

/**
 * The file that a name stands for: a path; the vDSO; without a slash also a file of the current folder, a program in
 * PATH, or a library (`libc.so.6`).
 * @throws ElfError
 */
export function findFile(name: string): ElfFile {
  if (name === "") throw new ElfError("a file's name is empty");
  if (name === VDSO_NAME) return readVdso();
  if (name.includes("/") || isFile(name)) return readElfFile(name);
  for (const folder of (process.env["PATH"] ?? "/bin:/usr/bin").split(":")) {
    const path = join(folder === "" ? "." : folder, name);
    if (isFile(path)) return readElfFile(path);
  }
  if (/\.so(\.|$)/.test(name)) {
    const library = openLibrary(name, libraryFolders());
    if (library !== null) return library;
  }
  throw new ElfError(`${name}: not found in the current folder or PATH`);
}

/**
 * A file's interpreter and the libraries that it and they need, in the order in which ld.so loads them.
 * @param missing gets the names that are nowhere
 */
export function findLibraries(file: ElfFile, missing: (name: string, neededBy: string) => void): ElfFile[] {
  const libraries: ElfFile[] = [];
  const known = new Set<string>();
  const common = libraryFolders();
  let interpreter: ElfFile | null = null;
  if (file.interpreter !== null) {
    if (isFile(file.interpreter)) interpreter = readElfFile(file.interpreter);
    else missing(file.interpreter, file.path);
    known.add(basename(file.interpreter));
    // musl's interpreter is its C library.
    if (basename(file.interpreter).startsWith("ld-musl")) known.add("libc.so").add("libc.musl-x86_64.so.1");
  }
  for (const queue = [file]; queue.length > 0;) {
    const { path, needed, libraryPath } = queue.shift()!;
    const own = libraryPath.map((folder) => folder.replace(/\$ORIGIN|\$\{ORIGIN\}/g, dirname(resolve(path))));
    for (const name of needed) {
      if (known.has(name)) continue;
      known.add(name);
      const library = openLibrary(name, [...own, ...common]);
      if (library === null) missing(name, path);
      else {
        libraries.push(library);
        queue.push(library);
      }
    }
  }
  return interpreter === null ? libraries : [...libraries, interpreter];
}

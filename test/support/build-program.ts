// Builds the test targets of test/programs on demand. A target is one C, assembly or Go file; the executable is cached
// under the temporary directory by a hash of everything that goes into it, so a second run builds nothing.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

export const programsDirectory = fileURLToPath(new URL("../programs", import.meta.url));

const cFlags = [
  "-O1",
  "-g",
  "-Wall",
  "-Wextra",
  "-Wno-unused-parameter",
  "-Wno-clobbered",
  "-D_GNU_SOURCE",
  "-pthread",
];

// musl has no kernel headers of its own; behind its own directories, the distribution's are harmless.
const muslFlags = [...cFlags, "-idirafter", "/usr/include", "-idirafter", "/usr/include/x86_64-linux-gnu"];

/** -O0: a sanitizer sees an error only when the compiler has not removed it. */
const sanitized = ["-O0", "-g", "-pthread"];

/** How a target is linked. Each is a different way into the loader. */
export const variants = {
  dynamic: ["gcc", ...cFlags, "-pie", "-fPIE"],
  fixed: ["gcc", ...cFlags, "-no-pie", "-fno-pie"],
  static: ["gcc", ...cFlags, "-static", "-no-pie", "-fno-pie"],
  "static-pie": ["gcc", ...cFlags, "-static-pie", "-fPIE"],
  musl: ["musl-gcc", ...muslFlags],
  "musl-static": ["musl-gcc", ...muslFlags, "-static"],
  "one-segment": ["gcc", ...cFlags, "-pie", "-fPIE", "-Wl,-z,noseparate-code"],
  "one-segment-static": ["gcc", ...cFlags, "-static", "-no-pie", "-fno-pie", "-Wl,-z,noseparate-code"],
  bare: ["gcc", "-nostdlib", "-static", "-no-pie"],
  // From mmap_min_addr on: there is nothing below.
  "bare-low": ["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext-segment=0x10000", "-Wl,-z,noseparate-code"],
  "bare-pie": ["gcc", "-nostdlib", "-static-pie"],
  shared: ["gcc", ...cFlags, "-shared", "-fPIC"],
  "address-sanitizer": ["gcc", ...sanitized, "-fsanitize=address"],
  "address-sanitizer-fixed": ["gcc", ...sanitized, "-fsanitize=address", "-no-pie", "-fno-pie"],
  "address-sanitizer-c++": ["g++", ...sanitized, "-fsanitize=address,undefined"],
  "undefined-sanitizer-c++": ["g++", ...sanitized, "-fsanitize=undefined"],
  "thread-sanitizer": ["gcc", ...sanitized, "-fsanitize=thread"],
  go: ["go", "build", "-trimpath", "-ldflags=-s -w"],
  "go-pie": ["go", "build", "-trimpath", "-buildmode=pie"],
  cgo: ["go", "build", "-trimpath", "-buildmode=pie"],
} as const;
export type Variant = keyof typeof variants;

const building = new Map<string, Promise<string>>();

/** The path of the executable made from test/programs/SOURCE ("hello.c") in the given variant. */
export function buildProgram(source: string, variant: Variant = "dynamic"): Promise<string> {
  const key = `${variant}/${source}`;
  let result = building.get(key);
  if (!result) building.set(key, (result = build(source, variant)));
  return result;
}

async function build(source: string, variant: Variant): Promise<string> {
  const [compiler, ...flags] = variants[variant];
  const path = join(programsDirectory, source);
  const hash = createHash("sha256").update(await compilerVersion(compiler));
  for (const file of [path, ...(await headers())]) hash.update("\0").update(await readFile(file));
  hash.update(JSON.stringify([variant, compiler, flags]));

  const name = basename(source, extname(source)) + (variant === "shared" ? ".so" : "");
  const cache = join(tmpdir(), `flicker-test-programs-${userInfo().uid}`);
  const directory = join(cache, `${hash.digest("hex").slice(0, 16)}-${variant}`);
  const executable = join(directory, name);
  const isThere = await access(executable).then(
    () => true,
    () => false,
  );
  if (isThere) return executable;

  await mkdir(cache, { recursive: true, mode: 0o700 });
  const fresh = await mkdtemp(join(cache, "build-"));
  const output = join(fresh, name);
  const isGo = compiler === "go";
  const goSettings = { CGO_ENABLED: variant === "cgo" ? "1" : "0", GO111MODULE: "off", GOFLAGS: "" };
  const environment = isGo ? { ...process.env, ...goSettings } : process.env;
  const libraries = variant.startsWith("bare") || isGo ? [] : ["-ldl"];
  await run(compiler, [...flags, "-o", output, path, ...libraries], { env: environment });
  // Two test files may build the same target at once: whoever comes second finds the directory taken by an equal one.
  await rename(fresh, directory).catch(() => rm(fresh, { recursive: true, force: true }));
  await access(executable);
  return executable;
}

async function headers(): Promise<string[]> {
  const names = await readdir(programsDirectory);
  return names
    .filter((name) => name.endsWith(".h"))
    .sort()
    .map((name) => join(programsDirectory, name));
}

const versions = new Map<string, Promise<string>>();

function compilerVersion(compiler: string): Promise<string> {
  let version = versions.get(compiler);
  if (!version) {
    const query = compiler === "go" ? ["version"] : ["--version"];
    versions.set(compiler, (version = run(compiler, query).then(({ stdout }) => stdout)));
  }
  return version;
}

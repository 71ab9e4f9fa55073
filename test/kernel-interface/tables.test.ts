// What is known of the kernel's interface is what the kernel's headers say, and the generated files follow from it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { STEP_SIZE } from "../../src/abi/capture.js";
import { capturePlan, encodePlan } from "../../src/kernel-interface/capture-plan.js";
import { constant, constantSet, constantSets, enumText, flagsText } from "../../src/kernel-interface/constant-set.js";
import { signatureByName, signatures } from "../../src/kernel-interface/signature.js";
import { layouts } from "../../src/kernel-interface/struct-layout.js";
import {
  CONSTANTS,
  PATH_ARGUMENTS,
  SIGNATURES,
  STRUCTS,
  generateConstants,
  generatePathArguments,
  generateSignatures,
  generateStructs,
} from "../../tools/gen-kernel-interface.js";
import { parseSyscalls } from "../../tools/gen-syscalls.js";

const AGAIN = "run: node --import tsx tools/gen-kernel-interface.ts";

test("the generated files are what the tables and the headers say", () => {
  assert.ok(generateConstants() === readFileSync(CONSTANTS, "utf8"), AGAIN);
  assert.ok(generateSignatures() === readFileSync(SIGNATURES, "utf8"), AGAIN);
  assert.ok(generateStructs() === readFileSync(STRUCTS, "utf8"), AGAIN);
  assert.ok(generatePathArguments() === readFileSync(PATH_ARGUMENTS, "utf8"), AGAIN);
});

test("structs are laid out as the headers have them", () => {
  const headers =
    "time.h sys/time.h utime.h sys/resource.h sys/times.h sys/sysinfo.h sys/utsname.h sys/statfs.h signal.h sys/epoll.h " +
    "sys/sem.h mqueue.h fcntl.h sys/ioctl.h sys/socket.h linux/capability.h linux/aio_abi.h linux/landlock.h linux/futex.h " +
    "linux/mount.h linux/openat2.h linux/posix_types.h";
  const checked = [...layouts.values()].filter((layout) => layout.cType !== null);
  assert.ok(checked.length > 25);
  const program = [
    "#define _GNU_SOURCE",
    "#include <stddef.h>",
    ...headers.split(" ").map((header) => `#include <${header}>`),
    ...checked.flatMap(({ name, cType, size, fields }) => [
      `_Static_assert(sizeof(${cType}) == ${size}, "${name}");`,
      ...fields
        // What libc hides behind another name.
        .filter((field) => !(name === "fsid" || field.name === "f_fsid"))
        .map(
          (field) => `_Static_assert(offsetof(${cType}, ${field.name}) == ${field.offset}, "${name}.${field.name}");`,
        ),
    ]),
  ];
  execFileSync("gcc", ["-fsyntax-only", "-x", "c", "-"], {
    input: program.join("\n"),
    stdio: ["pipe", "inherit", "inherit"],
  });
});

test("every call has a signature, and a plan that a recorder can follow", () => {
  const { calls } = parseSyscalls();
  assert.equal(signatures.size, calls.length);
  for (const call of calls) {
    const signature = signatures.get(call.number);
    assert.equal(signature?.name, call.name);
    const plan = capturePlan(signature);
    for (const step of plan) {
      assert.notEqual(signature.arguments[step.argument]?.direction, "", `${call.name} ${step.argument}`);
      assert.ok(step.length === 255 || step.length < signature.arguments.length, call.name);
    }
    assert.equal(encodePlan(plan).length, plan.length * STEP_SIZE);
  }
});

test("what is behind a pointer is of a known size, and lengths name arguments that are lengths", () => {
  for (const { name, arguments: parameters } of signatures.values())
    for (const { length, name: argument } of parameters) {
      if (length === null || length.kind === "constant") continue;
      if (length.argument === null) continue;
      const direction = parameters[length.argument]?.direction;
      assert.equal(direction, length.kind === "indirect" ? "=" : "", `${name} ${argument}`);
    }
});

test("flags are said in the order of their set, with what is left", () => {
  const open = constantSet("open_flags");
  assert.equal(flagsText(open, 0x80041n), "O_CREAT|O_CLOEXEC|0x1");
  assert.equal(flagsText(open, 0x101000n), "O_SYNC");
  assert.equal(flagsText(open, 1n), "0x1 /* O_??? */");
  assert.equal(flagsText(constantSet("protection"), 0n), "PROT_NONE");
  assert.equal(flagsText(constantSet("msync"), 0n), "0");
  assert.equal(flagsText(constantSet("poll_events"), 0xffffffff_00000001n), "POLLIN");
  assert.equal(enumText(constantSet("whence"), 2n), "SEEK_END");
  assert.equal(enumText(constantSet("whence"), 0xffffffffn), "0xffffffff /* SEEK_??? */");
  assert.equal(enumText(constantSet("usage_who"), 0xffffffffn), "RUSAGE_CHILDREN");
  assert.equal(constant("errno", "ENOSYS"), 38n);
});

test("sets of constants have names, and each name a value of the set's width", () => {
  for (const [name, set] of constantSets) {
    assert.ok(set.constants.length > 0, name);
    for (const { value } of set.constants) assert.ok(value < 1n << BigInt(set.width), name);
  }
  assert.ok(signatureByName.get("openat")!.classes.has("file"));
});

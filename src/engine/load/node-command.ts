// `flicker help`, `flicker path` and the like, when the launcher itself is the `flicker` command.
//
// A shell script in front of the launcher cannot pass the environment on as it was given: dash drops variables whose
// names are no shell names, resets IFS, adds PWD, makes an ignored SIGCHLD default (docs/command-line.md). So the command that
// npm links is the launcher, and the few commands that need Node go the other way: from here to bin/flicker, which
// lies at ../bin from the launcher's folder and starts Node.

import { Address } from "../process";
import { addressOf, isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_ACCESS, SYS_EXECVE, SYS_READLINK } from "../kernel/numbers";
import { appendText, copyString, equalsText } from "../text";
import { InitialStack, argument } from "./stack";

const PATH_MAX: usize = 4096;
const X_OK: u64 = 1;
const word = memory.data(16, 8);
const script = memory.data(4352, 8);

/** Whether the arguments are for Node. bin/flicker has the same list, and test/cli/command.test.ts compares them. */
function isNodeCommand(stack: InitialStack): bool {
  if (stack.argumentCount < 2) return true;
  // A word that does not fit is longer than any command's name.
  if (copyString(word, argument(stack, 1), 16) < 0) return false;
  if (equalsText(word, "run")) {
    if (stack.argumentCount < 3 || copyString(word, argument(stack, 2), 16) < 0) return false;
    return equalsText(word, "-h") || equalsText(word, "--help");
  }
  if (equalsText(word, "--")) return false;
  return (
    load<u8>(word) == 45 ||
    equalsText(word, "completion") ||
    equalsText(word, "count") ||
    equalsText(word, "cover") ||
    equalsText(word, "doctor") ||
    equalsText(word, "fault") ||
    equalsText(word, "help") ||
    equalsText(word, "inspect") ||
    equalsText(word, "path") ||
    equalsText(word, "trace")
  );
}

/** The path of bin/flicker as a zero-terminated string, or 0 when the launcher is not in a folder of an installation. */
export function findScript(): usize {
  appendText(script, "/proc/self/exe");
  store<u8>(script + 14, 0);
  const size = syscall3(SYS_READLINK, addressOf(script), addressOf(script), PATH_MAX);
  if (size <= 0) return 0;
  let end = script + (size as usize);
  // Off with the file's name and its folder's: ROOT/dist/launcher.
  for (let slashes = 0; slashes < 2;) {
    if (end == script) return 0;
    end--;
    if (load<u8>(end) == 47) slashes++;
  }
  store<u8>(appendText(end, "/bin/flicker"), 0);
  if (isError(syscall2(SYS_ACCESS, addressOf(script), X_OK))) return 0;
  return script;
}

/** Becomes bin/flicker when the arguments are for Node; returns when they name a program, or when there is no bin/flicker. */
export function becomeNodeCommand(stack: InitialStack): void {
  if (!isNodeCommand(stack) || findScript() == 0) return;
  syscall3(SYS_EXECVE, addressOf(script), stack.arguments as Address, stack.environment as Address);
}

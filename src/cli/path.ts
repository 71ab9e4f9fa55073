// `flicker path`: for scripts and benchmarks that want to execute the launcher without bin/flicker in front, and for gdb,
// which is given a script of Flicker's.

import type { Command } from "commander";
import { findHookedLauncher } from "../host/hook/hooked-launcher.js";
import { Observations, rememberLauncher } from "../host/hook/known-launcher.js";
import { findLauncher } from "../host/launcher.js";
import { packageRoot } from "../host/package-root.js";
import { productsOf } from "../host/products.js";
import { warn } from "./message.js";

const EXAMPLES = `
Examples:
  exec "$(flicker path)" run -- make      without the shell script in between
  flicker path >/dev/null                 build it now, or say why not
  flicker path --hook my.ts               the launcher with this hook linked in`;

export function addPath(program: Command): void {
  program
    .command("path")
    .description("print the path of the native launcher, which takes the same arguments as flicker")
    .usage("[OPTIONS]")
    .option("--gdb", "print the path of the script for gdb instead: gdb -ix $(flicker path --gdb) -p PID")
    .option("--hook <FILE...>", "print the path of a launcher with these hooks; see docs/hooks.md")
    .option("--match <EXPR>", "likewise one that patches these instructions; see docs/matching.md")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES)
    .action(async ({ gdb, hook, match }: { gdb?: true; hook?: string[]; match?: string }) => {
      if (gdb) console.log(productsOf(packageRoot).debuggerScript);
      else if (hook ?? match) {
        const observed = new Observations();
        const launcher = await findHookedLauncher(packageRoot, hook ?? [], warn, match, observed);
        rememberLauncher({ root: packageRoot, hooks: hook ?? [], expression: match ?? "" }, launcher, observed);
        console.log(launcher);
      } else console.log(await findLauncher(packageRoot, warn));
    });
}

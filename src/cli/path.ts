// `flicker path`: for scripts and benchmarks that want to execute the launcher without bin/flicker in front.

import type { Command } from "commander";
import { findLauncher } from "../host/launcher.js";
import { packageRoot } from "../host/package-root.js";
import { warn } from "./message.js";

const EXAMPLES = `
Examples:
  exec "$(flicker path)" run -- make      without the shell script in between
  flicker path >/dev/null                 build it now, or say why not`;

export function addPath(program: Command): void {
  program
    .command("path")
    .description("print the path of the native launcher, which takes the same arguments as flicker")
    .usage("[OPTIONS]")
    .helpOption("-h, --help", "print this help")
    .addHelpText("after", EXAMPLES)
    .action(async () => {
      console.log(await findLauncher(packageRoot, warn));
    });
}

// What bin/flicker starts Node with.

import { STATUS_FAILED } from "./exit-status.js";
import { warn } from "./message.js";
import { runCommand } from "./program.js";

// Anything that is thrown here is our bug: show all of it, and end with the status of Flicker's own failures.
process.on("uncaughtException", (error) => {
  console.error(error);
  process.exit(STATUS_FAILED);
});
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read the output has had enough (`flicker --help | head -1`).
  if (error.code === "EPIPE") process.exit(0);
  warn(`standard output: ${error.message}`);
  process.exit(STATUS_FAILED);
});
process.exitCode = await runCommand(process.argv.slice(2));

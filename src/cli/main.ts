// What bin/flicker starts Node with.

import { STATUS_FAILED } from "./exit-status.js";
import { runCommand } from "./program.js";

// Anything that is thrown here is our bug: show all of it, and end with the status of Flicker's own failures.
process.on("uncaughtException", (error) => {
  console.error(error);
  process.exit(STATUS_FAILED);
});
// Whoever read the output has had enough (`flicker --help | head -1`).
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
process.exitCode = await runCommand(process.argv.slice(2));

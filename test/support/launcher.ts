// The launcher under test: FLICKER_LAUNCHER when it is set, else the build's product. Nothing is built here: `npm test`
// builds before it starts the tests.
//
// FLICKER_LAUNCHER=native runs everything natively on both sides (test/programs/native-launcher.c), which shows that the
// tests themselves are deterministic.
import { access, constants } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { buildProgram } from "./build-program.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

export async function launcherPath(): Promise<string> {
  if (isNativeStandIn()) return buildProgram("native-launcher.c", "static");
  const path = resolve(root, process.env["FLICKER_LAUNCHER"] ?? "dist/launcher");
  await access(path, constants.X_OK).catch(() => {
    throw new Error(`no launcher at ${path}: run \`npm run build\`, or set FLICKER_LAUNCHER`);
  });
  return path;
}

/** The stand-in runs the program natively and knows nothing of statistics. */
export function isNativeStandIn(): boolean {
  return process.env["FLICKER_LAUNCHER"] === "native";
}

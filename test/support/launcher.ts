// The launcher under test: FLICKER_LAUNCHER when it is set, else the build's product. Nothing is built here: `npm test`
// builds before it starts the tests.
//
// FLICKER_LAUNCHER=test/support/native-launcher.sh runs everything natively on both sides, which shows that the tests
// themselves are deterministic.
import { access, constants } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { resolve } from "node:path";

const root = fileURLToPath(new URL("../..", import.meta.url));

export async function launcherPath(): Promise<string> {
  const path = resolve(root, process.env["FLICKER_LAUNCHER"] ?? "dist/launcher");
  await access(path, constants.X_OK).catch(() => {
    throw new Error(`no launcher at ${path}: run \`npm run build\`, or set FLICKER_LAUNCHER`);
  });
  return path;
}

/** The stand-in that runs the program natively: it knows nothing of statistics. */
export function isNativeStandIn(launcher: string): boolean {
  return launcher.endsWith("/native-launcher.sh");
}

// A run with faults: a program under the launcher with the hook that makes them, and the calls that were changed.

import { join } from "node:path";
import { findHookedLauncher } from "../hook/hooked-launcher.js";
import { type Listener, TraceSession } from "../trace/session.js";
import { callsOf, encodeRules } from "./parameters.js";
import type { Rule } from "./rule.js";

export interface FaultSettings {
  readonly rules: readonly Rule[];
  /** How many bytes of a text are shown. */
  readonly textLimit: number;
  /** Whether paths of descriptors are wanted. */
  readonly withPaths: boolean;
}

export const findFaultLauncher = (root: string, warn: (line: string) => void): Promise<string> =>
  findHookedLauncher(root, [join(root, "src/hooks/fault.ts")], warn);

/**
 * Starts a program, with the standard descriptors of this process.
 * @throws RingError, RuleError
 */
export function startFaulty(
  launcher: string,
  command: readonly string[],
  { rules, ...captured }: FaultSettings,
  listener: Listener,
): TraceSession {
  const shown = { ...captured, withMemory: true };
  return new TraceSession(
    launcher,
    command,
    {
      ...{ ...shown, calls: callsOf(rules), parameters: encodeRules(rules, shown) },
      ...{ isFollowing: true, isLossless: true, hasTimes: true },
    },
    listener,
  );
}

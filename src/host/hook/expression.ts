// `--match EXPR` as a hook: one that is asked about instructions and never called.

import type { Hook } from "../../backend/build-launcher.js";
import { readModule } from "../../backend/wasm/reader.js";
import { RECORD_ADDRESS } from "../../abi/instruction-record.js";
import { compileMatch } from "../../match/compile.js";

/** @throws MatchError */
export function matchAsHook(expression: string): Hook {
  const { wasm, needs } = compileMatch(expression);
  return {
    ...{ title: "--match", calls: [], counters: [], sums: [], waitsForMatch: false },
    module: readModule(wasm),
    matcher: { needs: needs.bits, record: RECORD_ADDRESS },
    placeOf: () => null,
    usesImport: () => false,
    // It calls nothing but its own few functions.
    checkStack: () => undefined,
  };
}

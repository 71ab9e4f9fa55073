// The smallest engine: one export, one assertion.
import "../../../src/engine/assertion";

export function ping(x: u32): u32 {
  assert(x != 5, "five");
  return x + 1;
}

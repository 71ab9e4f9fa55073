// WebAssembly's text format to its binary format, by binaryen, with names.

import assert from "node:assert/strict";
import binaryen from "binaryen";

export function wasmOf(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  module.setFeatures(binaryen.Features.All);
  assert.ok(module.validate(), text);
  binaryen.setDebugInfo(true);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

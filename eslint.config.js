// Two languages share the ending .ts. Node's code is linted with types. AssemblyScript (the engine, and test/**/*.as.ts) is
// only parsed as TypeScript: its types (u32, usize, operators on references) mean something else to TypeScript, so the
// rules for it look at syntax alone; asc checks its types in every build.

import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

const assemblyScript = ["src/engine/**/*.ts", "src/hooks/**/*.ts", "src/sdk/**/*.ts", "test/**/*.as.ts"];

/** In the engine and in hooks alike: nothing allocates while the program runs, and AssemblyScript has no exceptions. */
const FORBIDDEN = [
  { selector: "TemplateLiteral", message: "string concatenation allocates" },
  { selector: ":function ArrayExpression", message: "an array literal in a function allocates" },
  { selector: "TryStatement", message: "AssemblyScript has no exceptions" },
  { selector: "ThrowStatement", message: "use assert(): the engine's assertions end in src/engine/assertion.ts" },
];

export default tseslint.config(
  { ignores: ["dist/", "node_modules/", "test/hook/hooks/"] },
  eslint.configs.recommended,
  // Target programs in JavaScript use Node's global names, which only a type checker knows.
  { files: ["test/programs/**", "bench/programs/**"], rules: { "no-undef": "off" } },
  {
    files: ["**/*.ts"],
    ignores: assemblyScript,
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: "error",
      // Numbers in messages are most of what messages are for; operands print as a listing has them.
      "@typescript-eslint/restrict-template-expressions": [
        "error",
        { allowNumber: true, allowNever: true, allow: [{ from: "file", name: ["Register", "Memory"] }] },
      ],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    // node:test gives a promise for each test, which nobody has to wait for.
    files: ["test/**/*.ts"],
    ignores: assemblyScript,
    rules: {
      // The exports of a wasm module are functions without `this`.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-floating-promises": [
        "error",
        {
          allowForKnownSafeCalls: [
            { from: "package", package: "node:test", name: ["test", "describe", "it", "suite", "before", "after"] },
          ],
        },
      ],
    },
  },
  {
    files: assemblyScript,
    languageOptions: { parser: tseslint.parser, parserOptions: { project: false, allowInvalidAST: true } },
    plugins: { "@typescript-eslint": tseslint.plugin },
    rules: {
      // Types and decorators are global names, and asc knows them all.
      "no-undef": "off",
      "no-unused-vars": "off",
      // A u64 literal is exact.
      "no-loss-of-precision": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "prefer-const": "error",
      // `while (true)` is what asc's flow analysis understands.
      "no-constant-condition": ["error", { checkLoops: false }],
      "no-restricted-syntax": [
        "error",
        {
          selector: "NewExpression",
          message: "the engine has no allocator: static tables and @unmanaged classes instead",
        },
        ...FORBIDDEN,
      ],
    },
  },
  // What hooks make at the top of a file is made when they are built; the compiler of hooks refuses the rest.
  { files: ["src/sdk/**/*.ts", "src/hooks/**/*.ts"], rules: { "no-restricted-syntax": ["error", ...FORBIDDEN] } },
);

// Functions that V8 compiles, runs and forgets, for as many seconds as it is told. Ten lines, as those of churn.c.
const { readFileSync } = require("node:fs");

const seconds = Number(process.argv[2]);
const start = process.hrtime.bigint();
const elapsed = () => Number(process.hrtime.bigint() - start) / 1e6;

function compileAndRun(n) {
  const half = new Function("x", `return (x * ${n}) % 1000003;`);
  const twice = new Function("half", "x", `return half(x) + half(x + ${n});`);
  let sum = 0;
  for (let x = 0; x < 2000; x++) sum += twice(half, x);
  return sum;
}

let functions = 0;
for (let tenth = 1; tenth <= 10; tenth++) {
  while (elapsed() < seconds * 100 * tenth) {
    compileAndRun(functions);
    functions += 2;
  }
  const resident = readFileSync("/proc/self/statm", "utf8").split(" ")[1] * 4;
  const mappings = readFileSync("/proc/self/maps", "utf8").split("\n").length - 1;
  console.log(`${functions} ${elapsed().toFixed(0)} ms ${resident} KiB ${mappings} mappings 0 patched`);
}

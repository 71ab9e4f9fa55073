// Child processes, worker threads, timers, a socket server, a WebAssembly module and code hot enough to be compiled.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createServer, connect } from "node:net";
import { Worker } from "node:worker_threads";

function hot(count) {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = (sum + Math.imul(i, 2654435761) + (i % 7) * 1.5) % 1000003;
  return sum.toFixed(3);
}
console.log("hot", hot(3_000_000));

console.log(
  "sync",
  execFileSync("echo", ["from", "echo"], { encoding: "utf8" }).trim(),
  spawnSync("sh", ["-c", "kill -9 $$"]).signal,
);
const child = spawn("sort", ["-n"], { stdio: ["pipe", "pipe", "inherit"] });
let sorted = "";
child.stdout.on("data", (data) => (sorted += data));
child.stdin.end("10\n9\n100\n");
const code = await new Promise((resolve) => child.on("close", resolve));
console.log("spawned", JSON.stringify(sorted), code);

const source = `const { parentPort, workerData } = require("node:worker_threads");
let sum = 0; for (let i = 0; i < 1e6; i++) sum += i % workerData; parentPort.postMessage(sum);`;
const sums = await Promise.all(
  [3, 5, 7].map(
    (workerData) => new Promise((resolve) => new Worker(source, { eval: true, workerData }).on("message", resolve)),
  ),
);
console.log("workers", sums.join(" "));

const server = createServer((socket) => socket.on("data", (data) => socket.end(data.toString().toUpperCase())));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const answer = await new Promise((resolve) => {
  const client = connect(server.address().port, "127.0.0.1", () => client.write("hello over tcp"));
  client.on("data", (data) => resolve(data.toString()));
});
server.close();
console.log("socket", answer);

const bytes = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1,
  7, 0, 32, 0, 32, 1, 106, 11,
]);
const { instance } = await WebAssembly.instantiate(bytes);
console.log("wasm", instance.exports.add(40, 2));
process.on("SIGUSR2", () => {
  console.log("SIGUSR2", process.execPath === process.argv0 || process.execPath.endsWith("/node"));
  process.exit(8);
});
process.kill(process.pid, "SIGUSR2");
setInterval(() => {}, 1000);

// A server of the soak: each request compiles code, has a worker thread compute and a process run.
import { execFile } from "node:child_process";
import { createServer } from "node:http";
import process from "node:process";
import { Worker } from "node:worker_threads";

const source = `const { parentPort, workerData } = require("node:worker_threads");
let sum = 0; for (let i = 0; i < 1e5; i++) sum = (sum + i * workerData) % 1000003; parentPort.postMessage(sum);`;

const worker = (workerData) =>
  new Promise((resolve, reject) =>
    new Worker(source, { eval: true, workerData }).on("message", resolve).on("error", reject),
  );
const child = () =>
  new Promise((resolve, reject) =>
    execFile("sh", ["-c", "echo $((6 * 7))"], (error, stdout) => (error ? reject(error) : resolve(stdout.trim()))),
  );

let requests = 0;
createServer((request, response) => {
  if (request.url !== "/work") return response.end("pong\n");
  const compiled = new Function(
    "n",
    `let s = ${requests++}; for (let i = 0; i < n; i++) s = (s * 31 + i) >>> 0; return s;`,
  );
  compiled(200_000);
  return Promise.all([worker(7), child()]).then(
    ([sum, text]) => response.end(sum > 0 && text === "42" ? "work done\n" : `${sum} ${text}\n`),
    (error) => response.writeHead(500).end(String(error)),
  );
}).listen(process.argv[2]);
process.on("SIGTERM", () => process.exit(0));

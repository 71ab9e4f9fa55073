// Node: code that the JIT compiles, promises, timers, streams, zlib, crypto, child processes, a cluster of workers, HTTP.
import { createHash, generateKeyPairSync, sign, verify } from "node:crypto";
import { execFileSync, fork } from "node:child_process";
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from "node:zlib";
import { createServer, get } from "node:http";
import { readFile, writeFile } from "node:fs/promises";
if (process.argv[2] === "child") {
  process.on("message", (n) => {
    process.send(n * n);
  });
} else {
  const matrix = (n) => Array.from({ length: n }, (_, i) => Float64Array.from({ length: n }, (_, j) => (i * j) % 7));
  const multiply = (a, b) => a.map((row) => row.map((_, j) => row.reduce((sum, x, k) => sum + x * b[k][j], 0)));
  let product = matrix(120);
  for (let i = 0; i < 3; i++) product = multiply(product, matrix(120)).map((row) => row.map((x) => x % 11));
  console.log(product.flatMap((row) => [...row]).reduce((a, b) => a + b, 0));
  const objects = new Map();
  for (let i = 0; i < 300000; i++) objects.set(`key ${i % 5000}`, { i, next: objects.get(`key ${(i * 7) % 5000}`)?.i });
  console.log(
    objects.size,
    createHash("sha256")
      .update(JSON.stringify([...objects]))
      .digest("hex"),
  );
  const big = 2n ** 4423n - 1n;
  console.log(String(big).length, /^(?:(\d)(?!\1))+$/.test("123212"), [..."cab"].sort().join(""));
  const text = Buffer.from("compress me ".repeat(10000));
  console.log(gunzipSync(gzipSync(text)).equals(text), brotliDecompressSync(brotliCompressSync(text)).equals(text));
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  console.log(verify("sha256", text, publicKey, sign("sha256", text, privateKey)));
  await writeFile("file", text);
  console.log(
    (await Promise.all(Array.from({ length: 8 }, () => readFile("file")))).every((data) => data.equals(text)),
  );
  console.log(execFileSync("sh", ["-c", "cat; echo and $0"], { input: "input\n" }).toString());
  const child = fork(process.argv[1], ["child"]);
  const squares = [];
  child.on("message", (n) => squares.push(n) === 3 && child.disconnect());
  for (const n of [1, 2, 3]) child.send(n);
  console.log(await new Promise((resolve) => child.on("exit", (...how) => resolve(how.join()))), squares);
  const server = createServer((request, response) => request.pipe(response.writeHead(200, { "x-url": request.url })));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  for (let i = 0; i < 20; i++)
    await new Promise((resolve) =>
      get({ port: server.address().port, host: "127.0.0.1", path: `/${i}` }, (r) => {
        if (i === 19) console.log(r.statusCode, r.headers["x-url"]);
        r.resume().on("end", resolve);
      }),
    );
  server.close();
  const timers = [];
  setTimeout(() => timers.push("timeout"), 2);
  setImmediate(() => timers.push("immediate"));
  queueMicrotask(() => timers.push("microtask"));
  await new Promise((resolve) => setTimeout(resolve, 30));
  console.log(timers.sort().join());
  const deep = (n) => deep(n + 1) + 1;
  try {
    deep(0);
  } catch (error) {
    console.log(error.name);
  }
  process.exitCode = 12;
}

// V8: optimised and thrown away functions, worker threads, WebAssembly, an HTTP server under load.
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const http = require("http");
function work(seed, n) {
  // objects, strings, regexps, closures, sort: many optimised functions and much garbage
  let s = seed >>> 0;
  const next = () => (s = (Math.imul(s, 1664525) + 1013904223) >>> 0);
  let h = 0;
  for (let r = 0; r < n; r++) {
    const a = Array.from({ length: 200 }, () => ({ k: next() % 1000, v: "x" + (next() % 77) }));
    a.sort((p, q) => p.k - q.k || (p.v < q.v ? -1 : 1));
    const m = new Map();
    for (const e of a) m.set(e.v, (m.get(e.v) || 0) + e.k);
    const t = [...m].map(([k, v]) => k + "=" + v).join("&");
    h = (Math.imul(h, 31) + t.replace(/x(\d)/g, (_, d) => d + "y").length + JSON.parse(JSON.stringify(a)).length) | 0;
    const f = new Function("a", "b", `return a*${r}+b-${r % 7}`);
    h = (h + f(r, 3)) | 0;
  }
  return h;
}
if (!isMainThread) {
  parentPort.postMessage(work(workerData, 600));
} else {
  (async () => {
    console.log("cpu", work(1, 1500));
    const rs = await Promise.all(
      [2, 3, 4, 5].map(
        (s) =>
          new Promise((ok, no) => {
            const w = new Worker(__filename, { workerData: s });
            w.on("message", ok);
            w.on("error", no);
          }),
      ),
    );
    console.log("workers", rs.join(" "));
    // (module (func (export "f") (param i32) (result i32) ... sum loop))
    const bytes = new Uint8Array([
      0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 30, 1, 28, 1, 1,
      127, 3, 64, 32, 1, 32, 0, 106, 33, 1, 32, 0, 65, 1, 107, 34, 0, 65, 0, 74, 13, 0, 11, 32, 1, 11,
    ]);
    const { instance } = await WebAssembly.instantiate(bytes);
    let w = 0;
    for (let i = 0; i < 2000; i++) w = (w + instance.exports.f(i * 10)) | 0;
    console.log("wasm", w);
    const server = http.createServer((q, r) => {
      let b = "";
      q.on("data", (d) => (b += d));
      q.on("end", () => r.end(b.split("").reverse().join("") + q.url));
    });
    await new Promise((ok) => server.listen(0, "127.0.0.1", ok));
    const port = server.address().port;
    let sum = 0;
    const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
    const ask = (i) =>
      new Promise((ok, no) => {
        const q = http.request({ port, agent, method: "POST", path: "/" + i }, (r) => {
          let n = 0;
          r.on("data", (d) => (n += d.length));
          r.on("end", () => {
            sum += n;
            ok();
          });
        });
        q.on("error", no);
        q.end("hello".repeat(i % 100));
      });
    for (let k = 0; k < 20; k++) await Promise.all(Array.from({ length: 100 }, (_, i) => ask(i)));
    console.log("http", sum);
    agent.destroy();
    server.close();
  })();
}

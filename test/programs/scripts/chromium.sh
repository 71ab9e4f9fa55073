# chromium without a window, inside its sandbox of namespaces and seccomp filters (which root may not use): a zygote, a GPU process, a renderer whose
# JavaScript is compiled; the page's DOM afterwards.
[ "$(id -u)" != 0 ] || exec unshare --user --map-user=1000 --map-group=1000 bash "$0"
cat > page.html <<'TEXT'
<!doctype html><title>A page</title><body><p id="sum"></p><script>
let sum = 0;
for (let i = 0; i < 3e6; i++) sum = (sum * 31 + i) >>> 0;
document.getElementById("sum").textContent = sum;
const context = document.createElement("canvas").getContext("2d");
context.fillStyle = "#123456"; context.fillRect(0, 0, 10, 10);
document.body.append(JSON.stringify([...context.getImageData(1, 1, 1, 1).data]), location.protocol, crossOriginIsolated);
const worker = new Worker(URL.createObjectURL(new Blob(["postMessage(6 * 7)"])));
worker.onmessage = ({ data }) => document.body.append(" worker ", data);
</script>
TEXT
chromium --headless --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update \
  --disable-sync --user-data-dir="$PWD/profile" --virtual-time-budget=2000 --dump-dom "file://$PWD/page.html" 2> errors
echo "status $?"
# Its helpers end a little later.
while pgrep -f -- "--user-data-dir=$PWD/profile" > pids; do :; done
grep -i -E 'sandbox|crash|SIG' errors; exit 0

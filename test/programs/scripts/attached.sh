# strace and gdb attach to a program at work and let go of it again, over and over: threads, timers, signals, processes that it starts. It must not
# notice: what it prints is what it prints alone.
cat > program.py <<'TEXT'
import hashlib, os, signal, sys, threading, time
ticks = 0
def tick(number, frame):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
digests = {}
def work(number):
    while not os.path.exists("enough"):
        digest = hashlib.sha256()
        for i in range(200):
            digest.update(str(i * number).encode())
            if i % 50 == 0: time.sleep(0)
        digests.setdefault(number, set()).add(digest.hexdigest()[:8])
threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
for thread in threads: thread.start()
statuses = set()
while not os.path.exists("enough"):
    pid = os.fork()
    if pid == 0: os._exit(5)
    statuses.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
for thread in threads: thread.join()
signal.setitimer(signal.ITIMER_REAL, 0)
print(sorted(digests.items()), statuses, ticks > 10)
sys.exit(6)
TEXT
python3 program.py & pid=$!
for i in 1 2 3 4; do
  strace -q -f -p $pid -o trace 2> /dev/null & tracer=$!
  until [ "$(grep -c -s SIGALRM trace)" -gt 5 ]; do kill -0 $tracer || exit 1; done 2> /dev/null
  kill -INT $tracer; wait $tracer 2> /dev/null
  echo "strace $i"; rm trace
  gdb -nx -q -batch -ex 'call (int)getpid() == '$pid -ex 'info threads' -ex detach -p $pid 2>&1 | grep -E '^\$1'
done
: > enough
wait $pid; echo "status $?"

# bubblewrap: a new root by pivot_root, new namespaces of all kinds, capabilities dropped, a seccomp filter of the caller's; a shell, Python
# and another bubblewrap inside.
b() {
  bwrap --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/sbin /sbin \
    --proc /proc --dev /dev --tmpfs /tmp "$@"
}
b --unshare-all --die-with-parent sh -c 'echo inside $$; ls /; id -u; readlink /proc/self/exe
  grep -E "^(CapEff|CapBnd|NoNewPrivs|NSpid|Seccomp):" /proc/self/status'
b --unshare-all --uid 1000 --gid 1000 --hostname sandbox --chdir /tmp python3 -c '
import os, subprocess, socket, sys, threading
print(os.getuid(), os.getgid(), socket.gethostname(), os.getcwd(), os.getpid(), sys.executable)
print(subprocess.run(["sh", "-c", "echo child of $PPID; exit 3"], stdout=subprocess.PIPE))
if (pid := os.fork()) == 0: os._exit(4)
print(os.waitpid(pid, 0)[1], sorted(os.listdir("/")))
threads = [threading.Thread(target=lambda: None) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
try: open("/usr/new", "w")
except OSError as error: print(error.strerror)
'; echo "status $?"
b --unshare-pid --bind "$PWD" /data --clearenv --setenv PATH /usr/bin sh -c 'env | sort; echo text > /data/made; exit 5'; echo "status $?"
cat made
b --unshare-all sh -c 'kill -9 $$'; echo "status $?"
b --unshare-all --new-session sh -c 'sleep 1000 & kill $!; wait $! 2> /dev/null; echo "gone $?"'
b --unshare-user --unshare-net sh -c 'cut -d: -f1 /proc/net/dev | tail -n +3'
# The filter: `mkdir`, in its two forms, is not permitted.
python3 -c '
import struct, sys
program = [(0x20, 0, 0, 0), (0x15, 2, 0, 83), (0x15, 1, 0, 258), (0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x50001)]
sys.stdout.buffer.write(b"".join(struct.pack("HBBI", *row) for row in program))' > filter
b --unshare-all --seccomp 9 9< filter sh -c 'grep ^Seccomp: /proc/self/status; mkdir /tmp/x; python3 -c "import os; os.mkdir(\"/tmp/y\")" 2>&1 | tail -1; ls /tmp'
b --unshare-all --cap-add ALL bwrap --ro-bind / / --unshare-user --unshare-ipc --dev /dev sh -c 'echo nested; exit 6'; echo "status $?"
bwrap --ro-bind / / nothing-here 2>&1; echo "status $?"

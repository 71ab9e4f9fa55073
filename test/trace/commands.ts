// Ordinary commands whose calls strace says, too.

export const network = `
import socket, struct
listener = socket.socket(); listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0)); listener.listen(5)
client = socket.socket(); client.connect(listener.getsockname())
server, _ = listener.accept()
client.send(b"hi" * 40); server.recv(100)
server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR); server.shutdown(2)
datagrams = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); datagrams.bind(("::1", 0))
datagrams.sendto(b"z", datagrams.getsockname()); datagrams.recvfrom(10)
one, two = socket.socketpair()
one.sendmsg([b"x", b"y"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", 1))]); two.recvmsg(10, 100)
named = socket.socket(socket.AF_UNIX); named.bind("socket")
abstract = socket.socket(socket.AF_UNIX); abstract.bind("\\0flicker-trace-test")
try: abstract.connect("nowhere")
except OSError: pass
`;

const calls = `
import os, fcntl, signal, resource, mmap, select, errno
signal.signal(signal.SIGUSR1, lambda *rest: 0); os.kill(os.getpid(), signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, [2, 3]); signal.alarm(0); signal.setitimer(signal.ITIMER_REAL, 100, 0)
file = open("a.txt", "r+"); fcntl.flock(file, 2); fcntl.lockf(file, 2); fcntl.fcntl(file, 1); fcntl.fcntl(file, 3)
os.ftruncate(file.fileno(), 5); os.utime("a.txt", (1, 2)); os.utime("a.txt"); os.chmod("a.txt", 0o4640)
resource.getrlimit(3); resource.setrlimit(4, (0, 0)); os.uname(); os.getgroups(); os.getpriority(0, 0)
reader, writer = os.pipe(); os.write(writer, bytes(range(256))); os.read(reader, 256)
os.pread(file.fileno(), 3, 1); os.preadv(file.fileno(), [bytearray(3), bytearray(4)], 0); os.writev(1, [b"ab", b"cd"])
poll = select.poll(); poll.register(reader, 1); poll.register(writer, 4); poll.poll(10); select.select([reader], [writer], [], 100)
epoll = select.epoll(); epoll.register(writer, select.EPOLLOUT | select.EPOLLET); epoll.poll(1); epoll.unregister(writer)
os.mkdir("e", 0o700); os.rename("e", "g"); os.rmdir("g"); os.symlink("a.txt", "l"); os.readlink("l"); os.unlink("l")
os.link("a.txt", "h"); os.access("h", os.R_OK | os.W_OK); os.umask(0o77); os.mkfifo("p"); os.memfd_create("m"); os.eventfd(1)
memory = mmap.mmap(-1, 4096); memory.madvise(4); os.getcwd(); os.dup2(1, 9); os.lseek(file.fileno(), 0, 2)
for name in ("missing", "a.txt/x", "link"):
    try: os.open(name, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError: pass
`;

export const commands: readonly (readonly [command: readonly string[], input?: string])[] = [
  [["true"]],
  [["ls", "-l"]],
  [["ls", "-la", "missing"]],
  [["cat", "a.txt"]],
  [["cat"], "one\ntwo\n"],
  [["sh", "-c", "echo hi > x; read y < x; test -f x && exec rm x"]],
  [["bash", "-c", "ulimit -n; trap : USR1; kill -USR1 $$; exit 3"]],
  [["cp", "a.txt", "b.txt"]],
  [["mv", "a.txt", "c.txt"]],
  [["rm", "a.txt"]],
  [["mkdir", "-p", "d/e/f"]],
  [["rmdir", "d"]],
  [["ln", "-s", "a.txt", "symbolic"]],
  [["readlink", "link"]],
  [["stat", "a.txt"]],
  [["find", "d", "."]],
  [["grep", "-r", "wor", "a.txt"]],
  [["sed", "s/h/j/", "a.txt"]],
  [["wc", "a.txt"]],
  [["head", "-c", "3", "a.txt"]],
  [["touch", "-d", "2001-02-03", "t"]],
  [["chmod", "600", "a.txt"]],
  [["id"]],
  [["uname", "-a"]],
  [["tar", "cf", "t.tar", "a.txt", "d"]],
  [["gzip", "-k", "a.txt"]],
  [["truncate", "-s", "100", "t"]],
  [["mkfifo", "fifo"]],
  [["nice", "-n", "1", "true"]],
  [["python3", "-S", "-c", "print(1)"]],
  [["python3", "-S", "-c", network]],
  [["python3", "-S", "-c", calls]],
  [["perl", "-e", "print 1; kill 9, $$"]],
  [["awk", "BEGIN { print 1 }"]],
  [["sqlite3", ":memory:", "select 1"]],
];

"""Threads, subprocesses, signals, sockets and a process pool, in an order that is the same in every run."""

import hashlib
import multiprocessing
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time


def threads() -> None:
    work: "queue.Queue[int | None]" = queue.Queue()
    results: dict[int, str] = {}

    def worker() -> None:
        while (number := work.get()) is not None:
            results[number] = hashlib.sha256(str(number).encode() * 5000).hexdigest()[:8]

    workers = [threading.Thread(target=worker) for _ in range(4)]
    for thread in workers:
        thread.start()
    for number in range(200):
        work.put(number)
    for _ in workers:
        work.put(None)
    for thread in workers:
        thread.join()
    print("threads", len(results), hashlib.md5("".join(results[n] for n in sorted(results)).encode()).hexdigest())


def subprocesses() -> None:
    print("sum", subprocess.run(["cksum"], input=b"some text", capture_output=True).stdout)
    print("shell", subprocess.run("echo out; echo err >&2; exit 5", shell=True, capture_output=True))
    print("killed", subprocess.run(["sh", "-c", "kill -TERM $$"]).returncode)
    first = subprocess.Popen(["seq", "1000"], stdout=subprocess.PIPE)
    second = subprocess.Popen(["wc", "-l"], stdin=first.stdout, stdout=subprocess.PIPE)
    first.stdout.close()
    print("pipe", second.communicate()[0], first.wait())
    try:
        subprocess.run(["sleep", "1000"], timeout=0.1)
    except subprocess.TimeoutExpired:
        print("timeout")
    try:
        subprocess.run(["/no/such/program"])
    except FileNotFoundError as error:
        print("missing", error.errno)
    print("preexec", subprocess.run(["sh", "-c", "umask"], preexec_fn=lambda: os.umask(0o27), capture_output=True).stdout)


def signals() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(number))
    os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGALRM, lambda number, frame: seen.append(number))
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    while signal.SIGALRM not in seen:
        time.sleep(0.001)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2})
    os.kill(os.getpid(), signal.SIGUSR2)
    print("pending", signal.sigpending(), "wait", signal.sigwait({signal.SIGUSR2}))
    print("seen", seen)
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda number, frame: os._exit(7))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(1000)
    print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1000)
    except KeyboardInterrupt:
        print("interrupted")


def sockets() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(20):
            connection, _ = server.accept()
            with connection:
                connection.sendall(connection.recv(100)[::-1])

    thread = threading.Thread(target=serve)
    thread.start()
    answers = []
    for number in range(20):
        with socket.create_connection(server.getsockname()) as client:
            client.sendall(f"hello {number}".encode())
            answers.append(client.recv(100).decode())
    thread.join()
    print("sockets", answers[-1], len(answers))


def square(number: int) -> int:
    return number * number


if __name__ == "__main__":
    threads()
    subprocesses()
    signals()
    sockets()
    with multiprocessing.Pool(2) as pool:
        print("pool", sum(pool.map(square, range(100))))
    print("executable", sys.executable, os.path.basename(os.readlink("/proc/self/exe")))
    sys.exit(6)

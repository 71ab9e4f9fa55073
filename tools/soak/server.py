"""A server of the soak: each request has a thread, which starts a process with `fork`, one with `vfork`, threads, and loads a library and unloads it."""

import _ctypes
import ctypes
import http.server
import os
import signal
import socketserver
import subprocess
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/work":
            self.work()
        body = b"work done\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def work(self) -> None:
        assert subprocess.run(["tr", "a-z", "A-Z"], input=b"text", capture_output=True, check=True).stdout == b"TEXT"
        pid = os.fork()
        if pid == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        threads = [threading.Thread(target=sum, args=(range(1000),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        library = ctypes.CDLL("libbz2.so.1.0")
        assert library.BZ2_bzlibVersion
        _ctypes.dlclose(library._handle)

    def address_string(self) -> str:
        return "client"

    def log_message(self, *arguments: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
Server(sys.argv[1], Handler).serve_forever()

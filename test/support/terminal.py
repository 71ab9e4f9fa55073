"""Runs a command under a pseudo-terminal and talks to it.

    terminal.py STEPS -- COMMAND ARGS...

STEPS is JSON: a list of {"expect": REGEX, "send": TEXT}. Each step waits until the output since the last match contains
the pattern, then sends the text; nothing is ever sent on a timer. What the terminal shows goes to stdout as it comes; the
exit status is the command's (128 + signal for a death by signal).
"""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios


def main() -> int:
    steps = json.loads(sys.argv[1])
    command = sys.argv[3:]
    pid, terminal = pty.fork()
    if pid == 0:
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.execvp(command[0], command)

    shown = ""
    position = 0
    while True:
        while steps:
            match = re.compile(steps[0]["expect"]).search(shown, position)
            if not match:
                break
            position = match.end()
            os.write(terminal, steps.pop(0)["send"].encode())
        try:
            data = os.read(terminal, 65536)
        except OSError:  # EIO: no process has the terminal open any more
            break
        if not data:
            break
        shown += data.decode("utf-8", "replace")
        os.write(1, data)
    _, status = os.waitpid(pid, 0)
    for step in steps:
        print("never shown: " + step["expect"])
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


sys.exit(main())

"""Runs a command under a pseudo-terminal and talks to it.

    terminal.py STEPS -- COMMAND ARGS...

STEPS is JSON: a list of {"expect": REGEX, "send": TEXT}. Each step waits until the output since the last match contains
the pattern, then sends the text; nothing is ever sent on a timer. What the terminal shows goes to stdout as it comes; the
exit status is the command's (128 + signal for a death by signal).

When a session's leader ends, the kernel hangs the terminal up and throws away what was written but not yet read
(tty_ldisc_hangup). So the command is not the leader: a process of ours is, which outlives it and ends only after the
reader has seen its last words, a marker with the command's status.
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


MARKER = re.compile("\0terminal: ([0-9]+)\0")


def lead(command: list[str]) -> None:
    """Runs the command in the foreground of the terminal, as a shell would, and writes the marker behind its output."""
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        # Ignored here, or by Python.
        for number in (signal.SIGTTOU, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        os.execvp(command[0], command)
    _, status = os.waitpid(pid, 0)
    os.write(1, f"\0terminal: {status}\0".encode())
    signal.pause()  # until the reader hangs up


def main() -> int:
    steps = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if pid == 0:
        lead(sys.argv[3:])

    shown = ""
    position = 0
    passed = 0
    while not (end := MARKER.search(shown)):
        while steps:
            match = re.compile(steps[0]["expect"]).search(shown, position)
            if not match:
                break
            position = match.end()
            os.write(terminal, steps.pop(0)["send"].encode())
        data = os.read(terminal, 65536)
        shown += data.decode("utf-8", "replace")
        # The marker may come in two parts: from its first byte on nothing is passed on.
        passed += os.write(1, shown.encode()[passed:].split(b"\0")[0])
    os.close(terminal)
    os.waitpid(pid, 0)
    for step in steps:
        print("never shown: " + step["expect"])
    status = int(end.group(1))
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


sys.exit(main())

"""A program whose processes all end with it, however it ends, and whatever became of their parents."""
import ctypes
import os
import signal
import sys
import tempfile
import traceback

PR_SET_CHILD_SUBREAPER = 36
TOLD_TO_END = signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE


def end_once(*_):
    for number in TOLD_TO_END:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(143)


def guarded(prefix, main):
    """Runs main(folder) in a process of its own, with a new folder in /tmp, and returns its exit status; then nothing is left.
    What main prints it has to flush.

    Who loses its parent, as a postmaster that a daemon started does at once, is waited for here as by init. A signal that
    tells to end is a SystemExit in main(), the first one only.
    """
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}.", dir="/tmp", ignore_cleanup_errors=True) as folder:
        program = os.fork()
        if program == 0:
            for number in TOLD_TO_END:
                signal.signal(number, end_once)
            status = 1
            try:
                status = main(folder)
            except SystemExit as end:
                status = end.code
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(status)
        for number in TOLD_TO_END:
            signal.signal(number, lambda *_: os.kill(program, signal.SIGTERM))
        ended = None
        while ended != program:
            ended, status = os.wait()
        for number in TOLD_TO_END:
            signal.signal(number, signal.SIG_IGN)
        try:
            while True:
                with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as children:
                    for child in children.read().split():
                        os.kill(int(child), signal.SIGKILL)
                os.wait()       # its children are ours now
        except ChildProcessError:
            pass
    return os.waitstatus_to_exitcode(status)

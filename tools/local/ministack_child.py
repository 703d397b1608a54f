"""Runs MiniStack on a listening socket that was inherited, and ends with the process that started it.

MiniStack's own environment runs this file, with the socket's file descriptor as its argument. Standard input is a
pipe that nobody writes to: when its other end closes, for whatever reason, this process and the functions that it
started end, and the folder that they used is removed.
"""

import os
import shutil
import signal
import sys
import threading
from functools import partialmethod

from hypercorn.__main__ import main
from ministack.core.lambda_runtime import Worker

# MiniStack considers a function's log complete after 50 ms without a first line, 5 ms without another, or 250 ms;
# on a busy machine lines come later than that, and are lost. Our function always writes some.
Worker._drain_stderr_bounded = partialmethod(  # noqa: SLF001  there is no setting
    Worker._drain_stderr_bounded,  # noqa: SLF001  the same
    first_line_wait=2.0,
    idle_confirm=0.05,
    hard_cap=4.0,
)


def end_with_parent() -> None:
    """Wait until the pipe closes, then end the whole process group."""
    sys.stdin.buffer.read()
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=end_with_parent, daemon=True).start()
    # Clients keep connections for longer than the usual 5 s, and one may send just when the server closes.
    listening = ["--bind", f"fd://{sys.argv[1]}", "--workers", "0", "--keep-alive", "3600"]
    sys.exit(main(["ministack.app:app", *listening]))

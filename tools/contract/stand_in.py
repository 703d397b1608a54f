"""Serves movieXchange's stand-in on loopback until it is interrupted; `make stand-in` runs this.

A tunnel of yours makes it reachable from AWS, under an https URL.
"""

import json
import signal
import sys
from pathlib import Path

from tools.local.mx import MovieXchangeStandIn


def main(file: Path) -> None:
    """Write the made-up account's credentials to a file that only its owner can read, and serve."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: None)  # it ends the pause below
    with MovieXchangeStandIn() as stand_in:
        file.parent.mkdir(exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(json.dumps(stand_in.credentials()))
        sys.stdout.write(f"{stand_in.url} accepts the credentials in {file}, until you press Ctrl-C.\n")
        sys.stdout.flush()
        signal.pause()
    file.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Builds `dist/function.zip`, which is what ships to Lambda; `make package` runs this.

It needs Python 3.11 with pip and nothing else. The bytes depend only on the files of the commit: the archive is in the
order of its names, and has neither times nor modes of the file system nor compression, which differs between versions
of zlib.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile, ZipInfo

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src" / "function"
ARCHIVE = PROJECT / "dist" / "function.zip"
PIP_INSTALL = (
    *("-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet", "install", "--no-deps", "--require-hashes"),
    *("--no-compile", "--only-binary", ":all:", "--platform", "any", "--implementation", "py"),
)
# Modules, certifi's authorities, and what names a package and its licence: scanners of Lambda read the METADATA.
SHIPPED = re.compile(r".*\.py|certifi/cacert\.pem|[\w.-]+\.dist-info/(METADATA|(licenses/)?(LICENSE|NOTICE)[\w.]*)")
# Command lines, tests, ways through a browser, PyOpenSSL or SOCKS, and all of Powertools but its logger and metrics.
NEVER_RUN = re.compile(
    r"(.*/)?(bin|tests)/.*|charset_normalizer/cli/.*|urllib3/contrib/.*"
    r"|aws_lambda_powertools/(event_handler|middleware_factory|metrics/provider/datadog)/.*"
    r"|aws_lambda_powertools/utilities/(?!jmespath_utils/|typing/)\w+/.*"
)


def fill(folder: Path) -> None:
    """Copy the function, and install its pinned packages: pure Python, the same for every architecture."""
    install = [sys.executable, *PIP_INSTALL, "--target", str(folder), "--requirement", str(SOURCE / "requirements.txt")]
    subprocess.run(install, check=True)  # noqa: S603  our own command
    shutil.copytree(SOURCE / "mx_token_rotator", folder / "mx_token_rotator")


def entry(name: str) -> ZipInfo:
    """Return an archive's entry that keeps nothing of the machine: of 1980, readable, and not compressed."""
    info = ZipInfo(name)
    info.create_system = 3  # Unix: on Windows it would be another one
    info.external_attr = 0o100644 << 16
    return info


def pack(folder: Path, archive: Path) -> None:
    """Write what runs of a folder into an archive, which is replaced only when it is complete."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    archive.parent.mkdir(exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with ZipFile(unfinished, "w") as packed:
        for name in names:
            if SHIPPED.fullmatch(name) and not NEVER_RUN.fullmatch(name):
                packed.writestr(entry(name), (folder / name).read_bytes())
    unfinished.replace(archive)


def main() -> None:
    """Build the archive, or end with a message that says what to do."""
    if sys.version_info < (3, 11):  # noqa: UP036  it runs in whatever Python a user has
        sys.exit("Python 3.11 or later is needed; name one with: make package PYTHON=python3.11")
    with TemporaryDirectory() as name:
        try:
            fill(Path(name))
        except subprocess.CalledProcessError as error:
            sys.exit(
                f"pip could not install src/function/requirements.txt (status {error.returncode}); it says why above"
            )
        pack(Path(name), ARCHIVE)
    sys.stdout.write(f"{ARCHIVE.relative_to(PROJECT)}: {ARCHIVE.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()

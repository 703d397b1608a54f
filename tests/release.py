"""What somebody does with a fresh clone: makes a release, and synthesizes the CDK recipe with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools.local.aws import PROJECT

ENVIRONMENTS = (".venv", ".venv-sam")


def make(folder: Path, *arguments: str, umask: int = 0o022) -> None:
    """Run make in a folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PYTHON"))}
    subprocess.run(  # noqa: S603  our own command
        ["make", "--silent", *arguments],  # noqa: S607  it is where the PATH says
        cwd=folder,
        env=inherited,
        umask=umask,
        check=True,
    )


def clone(folder: Path) -> Path:
    """Copy the project as if it had just been cloned."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "dist")
    shutil.copytree(PROJECT, folder, copy_function=shutil.copyfile, ignore=ignored)
    return folder


def make_release(folder: Path, umask: int = 0o022) -> Path:
    """Clone the project, run `make release` there with the environments that there are, and return what it wrote."""
    clone(folder)
    for name in ENVIRONMENTS:
        (folder / name).symlink_to(PROJECT / name)
    made = [part for name in ENVIRONMENTS for part in ("--old-file", f"{name}/made-from.txt")]
    make(folder, *made, "release", umask=umask)
    return folder / "dist"


def synthesize(release: Path) -> Path:
    """Synthesize the CDK recipe of a clone that has a release, and return the folder of what the CDK made."""
    made = release.parent / "cdk.out"
    subprocess.run(  # noqa: S603  our own command
        [str(Path(sys.executable).parent / "node"), "app.js"],
        cwd=release.parent / "examples" / "cdk",
        env={"NODE_PATH": str(PROJECT / ".node-cdk" / "node_modules"), "CDK_OUTDIR": str(made)},
        stderr=subprocess.DEVNULL,  # the CDK takes SecretTags for a password
        check=True,
    )
    return made

"""What somebody does with a fresh clone: makes a release, and uses the recipes with it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.local.aws import PROJECT, REGION
from tools.local.translated import ACCOUNT_ID

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
    ignored = shutil.ignore_patterns(".*", "__pycache__", "dist", "node_modules", "cdk.out")
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


def reader_statements(secret: str) -> list[dict[str, Any]]:
    """Return the statements of the written-out policy as docs/security.md has them for a stack without a KMS key."""
    page = (PROJECT / "docs" / "security.md").read_text()
    (policy,) = re.findall(r"^`reader-policy\.json`\n\n```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    samples = {"moviexchange/staging/tokens/_Website": secret, "eu-west-1": REGION, "111122223333": ACCOUNT_ID}
    for sample, value in samples.items():
        policy = policy.replace(sample, value)
    read, report, _ = json.loads(policy)["Statement"]
    return [read, report]

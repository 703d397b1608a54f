"""Writes a release into `dist/`; `make release` runs this after it has written the bill of materials there.

A release has the function's archive, the template as plain CloudFormation, the bill of materials, the wheels of the
reader and of the operator's tool, and the digests of them all. The same commit makes the same bytes.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import yaml
from cfnlint.decode.cfn_yaml import loads

from tools import package
from tools.local.translated import translated

PROJECT = Path(__file__).parents[1]
DIST = PROJECT / "dist"
SBOM = "mx-token-rotator.cdx.json"
SUMS = "SHA256SUMS"
DOCS = "docs/operating.md"
"""What the alarms name."""
CODE_PARAMETERS = """\
  CodeBucket:
    Type: String
    AllowedPattern: '[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]'
    ConstraintDescription: must be the name of an S3 bucket in the stack's Region
    Description: S3 bucket in the stack's Region that has function.zip.
  CodeKey:
    Type: String
    AllowedPattern: '[!-~]+'
    MaxLength: 1024
    ConstraintDescription: must be the key of function.zip in that bucket
    Description: Key of function.zip in that bucket. CloudFormation updates the code only if the key changes.
"""


def plain(template: str) -> dict[str, Any]:
    """Return what SAM makes of a template, with the code where CodeBucket and CodeKey say."""
    written = loads(template)
    written["Parameters"] |= yaml.safe_load(CODE_PARAMETERS)
    written["Resources"]["Function"]["Properties"]["CodeUri"] = {
        "Bucket": {"Ref": "CodeBucket"},
        "Key": {"Ref": "CodeKey"},
    }
    return translated(written, {"ClientIds": "_Website", "CodeBucket": "a-bucket", "CodeKey": "a-key"})


def without_sam(template: str) -> str:
    """Return a template that needs no SAM.

    The function's lines make way for what SAM makes of them; all others stay as they are, with their comments.
    """
    written = loads(template)["Resources"].keys() - {"Function"}
    made = {name: each for name, each in plain(template)["Resources"].items() if name not in written}
    lines = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=sys.maxsize).splitlines()
    function = "".join(f"  {line}\n" for line in lines)
    template = re.sub(r"^  Function:\n(?: {4}.*\n)+", lambda _: function, template, count=1, flags=re.MULTILINE)
    template = re.sub(r"^Transform: .*\n", "", template, count=1, flags=re.MULTILINE)
    return template.replace("\nParameters:\n", f"\nParameters:\n{CODE_PARAMETERS}", 1)


def with_links(template: str, repository: str, version: str) -> str:
    """Return a template whose alarms name the docs at this version's tag on the code host, if there is one."""
    return template.replace(DOCS, f"{repository}/blob/v{version}/{DOCS}") if repository else template


def build_wheel(source: Path) -> Path:
    """Build the wheel of a package, with the licence and without anything of the machine; return its path."""
    with TemporaryDirectory() as name:
        copied = Path(name) / "package"
        shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(PROJECT / "LICENSE", copied)
        command = [sys.executable, "-m", "flit_core.wheel", "--outdir", name, str(copied)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  our own command
        (built,) = Path(name).glob("*.whl")
        with ZipFile(built) as wheel, ZipFile(DIST / built.name, "w") as packed:
            for each in wheel.namelist():
                packed.writestr(package.entry(each), wheel.read(each))
    return DIST / built.name


def main(repository: str = "") -> None:
    """Write everything but the bill of materials, which is there."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    package.main()
    template = DIST / "template.yaml"
    written = (PROJECT / "template.yaml").read_text()
    template.write_text(with_links(without_sam(written), repository, project["version"]))
    wheels = [build_wheel(PROJECT / "src" / name) for name in ("reader", "operator")]
    released = sorted([package.ARCHIVE, template, DIST / SBOM, *wheels])
    sums = [f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in released]
    (DIST / SUMS).write_text("".join(sums))
    sys.stdout.write("".join(sums))


if __name__ == "__main__":
    main(*sys.argv[1:])

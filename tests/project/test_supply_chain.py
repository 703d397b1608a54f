"""The project's own packages are installed from files, because anybody could take their names on a public index."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tools.local.aws import PROJECT

PYPROJECTS = [PROJECT / "pyproject.toml", *(PROJECT / "src").glob("*/pyproject.toml")]
MODULES = [path.parent.name for path in (PROJECT / "src").glob("*/*/__init__.py")]
NAMES = {
    canonicalize_name(name)
    for name in [*MODULES, *(tomllib.loads(path.read_text())["project"]["name"] for path in PYPROJECTS)]
}
INSTALLER = re.compile(r"\b(?:pip3?|pipx|uv|uvx|poetry|pdm|conda)\b((?: +[^\s`|;&]+)+)")
REQUIREMENT = re.compile(
    rf"^ *({'|'.join(NAMES).replace('-', '[-_.]')}) *(?:[=<>~!]=|[<>]).*$", re.MULTILINE | re.IGNORECASE
)


def from_an_index(text: str) -> list[str]:
    """Return what a text has an installer fetch from an index by one of the project's names."""
    joined = re.sub(r"\\\n *|[\"',]+ *", " ", text)
    words = [word for command in INSTALLER.findall(joined) for word in command.split()]
    installed = [word for word in words if canonicalize_name(re.split(r"[\[=<>~!@]", word)[0]) in NAMES]
    return installed + [found[0] for found in REQUIREMENT.finditer(text) if "--hash=" not in found[0]]


def files() -> list[Path]:
    """Return the files of a checkout that are text."""
    places = [path for path in PROJECT.iterdir() if path.name in {".ci", ".github"} or path.name[0] != "."]
    found = [path for place in places if place.name != "dist" for path in [place, *place.rglob("*")]]
    made = {"__pycache__", "node_modules", "cdk.out", ".terraform"}
    return [path for path in found if path.is_file() and not made & {*path.parts}]


def test_no_text_has_one_of_our_names_fetched_from_an_index() -> None:
    """Whoever owns the name there would own the machine that installs it."""
    found = {path.name: from_an_index(path.read_text()) for path in files()}

    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize("name", sorted(NAMES))
@pytest.mark.parametrize(
    "text",
    [
        "pip install {}",
        "`python -m pip install --upgrade {}[cli]`",
        "pip install boto3 '{}>=0.2'",
        "pip install \\\n  {}",
        'run(["pip", "install", "{}"])',
        "uv add {}",
        "pipx install {}==0.2.0",
        "uvx {}",
        "{}>=0.2",
        "  {}==0.2.0",
    ],
)
def test_a_name_that_is_fetched_from_an_index_is_found(text: str, name: str) -> None:
    """However it is written."""
    assert from_an_index(text.format(name))


@pytest.mark.parametrize(
    "text",
    [
        "pip install ./src/operator",
        "pip install ./moviexchange_auth-0.2.0-py3-none-any.whl",
        "pip install ./src/operator; mx-token-rotator status",
        "moviexchange-auth==0.2.0 --hash=sha256:0a1b",
    ],
)
def test_a_file_or_a_digest_is_no_name_on_an_index(text: str) -> None:
    """Both say which bytes are meant."""
    assert from_an_index(text) == []


@pytest.mark.parametrize("path", PYPROJECTS, ids=lambda path: path.parent.name)
def test_no_package_of_ours_depends_on_another_of_ours(path: Path) -> None:
    """Its installer would look for it on an index."""
    project = tomllib.loads(path.read_text())["project"]
    needed = {canonicalize_name(re.split(r"[^\w.-]", each)[0]) for each in project.get("dependencies", [])}

    assert needed & NAMES == set()

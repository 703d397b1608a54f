"""What ships: the files of the package, that the same commit gives the same bytes, and the bill of materials."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from local.aws import HOUSE

PACKAGES = {
    "mx_token_rotator",
    "aws_lambda_powertools",
    "certifi",
    "charset_normalizer",
    "idna",
    "jmespath",
    "requests",
    "typing_extensions",
    "urllib3",
}
DOOR_AND_LOG_IN = ("mx_token_rotator.handler", "mx_token_rotator.moviexchange", "mx_token_rotator.session")


def make(folder: Path, *arguments: str, umask: int = 0o022) -> None:
    """Run make in a folder, with the SAM CLI at hand and nothing of the person's own account."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_", "MAKE"))}
    tools = [str(HOUSE / environment / "bin") for environment in (".venv", ".venv-sam")]
    path = os.pathsep.join([*tools, os.environ.get("PATH", os.defpath)])
    subprocess.run(  # noqa: S603  our own command
        ["make", "--silent", *arguments],  # noqa: S607  it is where the PATH says
        cwd=folder,
        env=inherited | {"PATH": path, "SAM_CLI_TELEMETRY": "0"},
        umask=umask,
        check=True,
    )


def package(clone: Path, umask: int) -> Path:
    """Copy the house without its environments, caches and history, run `make package` there, and give the archive."""
    shutil.copytree(HOUSE, clone, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    make(clone, "package", umask=umask)
    return clone / ".aws-sam" / "build" / "Rotator.zip"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what ships."""
    return package(tmp_path_factory.mktemp("one") / "clone", umask=0o002)


def names(archive: Path) -> list[str]:
    """Read which files are in an archive, in their order."""
    with ZipFile(archive) as packed:
        return packed.namelist()


def test_another_clone_gives_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    """Neither the folder's name nor the time nor the modes of its files are in what ships."""
    another = package(tmp_path / "another" / "name", umask=0o077)

    assert another.read_bytes() == archive.read_bytes()


def test_the_archive_is_in_the_order_of_its_names(archive: Path) -> None:
    """The order in which a file system lists its files is not in what ships."""
    assert names(archive) == sorted(names(archive))


def test_the_archive_is_not_compressed(archive: Path) -> None:
    """The version of zlib is not in what ships."""
    with ZipFile(archive) as packed:
        sizes = {(entry.file_size - entry.compress_size) for entry in packed.infolist()}

    assert sizes == {0}


def test_the_function_may_read_the_archive(archive: Path) -> None:
    """Lambda unpacks it under these modes, and runs it as another user."""
    with ZipFile(archive) as packed:
        modes = {oct(entry.external_attr >> 16) for entry in packed.infolist()}

    assert modes == {"0o100644"}


def test_the_archive_is_small(archive: Path) -> None:
    """What ships to Lambda is counted: 2 MiB at most."""
    assert archive.stat().st_size <= 2 * 1024 * 1024


def test_what_ships_is_what_runs_and_what_names_it(archive: Path) -> None:
    """Besides modules there are certifi's authorities, and each package's metadata and licence."""
    metadata = r"[\w.-]+\.dist-info/(METADATA|(licenses/)?(LICENSE|NOTICE)[\w.]*)"
    allowed = re.compile(rf"(?!.*\b(bin|tests)/).+\.py|certifi/cacert\.pem|{metadata}")

    assert [name for name in names(archive) if not allowed.fullmatch(name)] == []


def test_each_package_that_ships_says_its_name_and_its_licence(archive: Path) -> None:
    """Scanners of Lambda know what runs by its metadata."""
    told = [name.split("/") for name in names(archive) if ".dist-info/" in name]
    named = {parts[0].partition("-")[0] for parts in told if parts[-1] == "METADATA"}
    licensed = {parts[0].partition("-")[0] for parts in told if parts[-1].startswith("LICENSE")}

    assert named == licensed == PACKAGES - {"mx_token_rotator"}


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give what ships as Lambda unpacks it."""
    folder = tmp_path_factory.mktemp("unpacked")
    with ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


def imported(unpacked: Path, *rooms: str) -> set[str]:
    """Import rooms beside what Lambda's runtime brings, and give the packages that this takes of what ships."""
    code = (
        f"import sys, {', '.join(rooms)}\n"
        "files = {name: getattr(module, '__file__', None) or '' for name, module in sys.modules.items()}\n"
        "print(*{name.split('.')[0] for name in files if files[name].startswith(sys.path[1])})"
    )
    started = subprocess.run(  # noqa: S603  our own command
        [str(HOUSE / ".venv-emulator" / "bin" / "python"), "-B", "-c", code],
        env={"PYTHONPATH": str(unpacked), "AWS_DEFAULT_REGION": "eu-west-1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(started.stdout.split())


def test_what_ships_is_imported(unpacked: Path) -> None:
    """A cold start that logs in takes every package that ships and no other."""
    assert imported(unpacked, *DOOR_AND_LOG_IN) == PACKAGES


def test_a_cold_start_is_spared_what_logs_in(unpacked: Path) -> None:
    """Nearly all of them find a fresh token, and need no requests; urllib3 and certifi are botocore's too."""
    log_in = {"charset_normalizer", "idna", "requests"}

    assert imported(unpacked, "mx_token_rotator.handler") == PACKAGES - log_in


def test_what_is_left_out_is_not_missed(unpacked: Path) -> None:
    """No import of what ships leads to it, wherever in the code, but those that do without or are never come to."""
    found = ModuleFinder(path=[str(unpacked)])
    for room in DOOR_AND_LOG_IN:
        found.import_hook(room)
    missed = {name for name in found.any_missing() if name.split(".")[0] in PACKAGES}
    forgone = {
        "aws_lambda_powertools.event_handler.openapi.compat",  # Powertools, of an event that is a pydantic model
        "urllib3.contrib",  # requests, where Python's ssl has no SNI
        "urllib3.contrib.socks",  # requests, which takes SOCKS proxies if it is there
    }

    assert missed == forgone


def test_what_is_for_applications_and_operators_does_not_ship(archive: Path) -> None:
    """Of the house, the rooms ship that a cold start takes."""
    rooms = {path.name for path in (HOUSE / "src" / "mx_token_rotator").glob("*.py")}
    shipped = {
        name.removeprefix("mx_token_rotator/") for name in names(archive) if name.startswith("mx_token_rotator/")
    }

    assert rooms - shipped == {"reader.py", "stack.py", "__main__.py"}


def test_an_application_needs_no_more_than_two_packages(tmp_path: Path) -> None:
    """What pip installs brings the reader, which takes boto3 and requests."""
    pip = [
        "-m",
        "pip",
        "--quiet",
        "install",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(tmp_path),
    ]
    subprocess.run([sys.executable, *pip, str(HOUSE)], check=True)  # noqa: S603  our own command
    code = "import mx_token_rotator.reader, sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run(  # noqa: S603  the same
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    imported = set(done.stdout.split())

    assert ({"boto3", "requests"} <= imported, imported & {"aws_lambda_powertools"}) == (True, set())


def test_no_package_ships_that_is_not_known(archive: Path) -> None:
    """Besides our code there are Powertools, requests, and what these two import."""
    shipped = {name.split("/")[0].removesuffix(".py") for name in names(archive) if ".dist-info/" not in name}

    assert shipped == PACKAGES


def bill(path: Path) -> Path:
    """Run `make sbom`, with the environment that there is."""
    make(HOUSE, "--old-file", ".venv/made-from.txt", "sbom", f"SBOM={path}")
    return path


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the bill of materials."""
    return bill(tmp_path_factory.mktemp("sbom") / "one.cdx.json")


def read(sbom: Path) -> dict[str, Any]:
    """Read a bill of materials."""
    document: dict[str, Any] = json.loads(sbom.read_text())
    return document


def test_the_bill_of_materials_is_valid(sbom: Path) -> None:
    """It is what CycloneDX's schema says, and nothing else."""
    version = SchemaVersion.from_version(read(sbom)["specVersion"])

    assert JsonStrictValidator(version).validate_str(sbom.read_text()) is None


def test_the_bill_of_materials_lists_each_pin_with_its_hashes(sbom: Path) -> None:
    """It lists what is installed into the package, and nothing else."""
    blocks = re.split(r"\n(?! )", (HOUSE / "src" / "requirements.txt").read_text().strip())
    pins = {block.split()[0]: set(re.findall(r"sha256:(\w+)", block)) for block in blocks}

    assert pins == {
        f"{component['name']}=={component['version']}": {
            each["content"] for source in component["externalReferences"] for each in source["hashes"]
        }
        for component in read(sbom)["components"]
    }


def test_the_bill_of_materials_is_the_products(sbom: Path) -> None:
    """It bears the product's name, version and licence."""
    project = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]
    component = read(sbom)["metadata"]["component"]
    licences = [each["license"]["id"] for each in component["licenses"] if "id" in each["license"]]

    assert (component["name"], component["version"], licences) == (
        project["name"],
        project["version"],
        [project["license"]],
    )


def test_the_bill_of_materials_is_the_same_each_time(sbom: Path, tmp_path: Path) -> None:
    """No time and no number of its own is in it."""
    assert bill(tmp_path / "another.cdx.json").read_bytes() == sbom.read_bytes()

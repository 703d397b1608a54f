"""What ships: the files of the archive, that the same commit gives the same bytes, and the bill of materials."""

import json
import re
import subprocess
import tomllib
import venv
from importlib import import_module
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest

from tests.release import clone, make
from tools.local.aws import PROJECT

FUNCTION = PROJECT / "src" / "function"
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
MODULES = {f"mx_token_rotator.{path.stem}" for path in (FUNCTION / "mx_token_rotator").glob("[!_]*.py")}


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment with Python and pip alone."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=True)
    return folder / "bin" / "python"


def package(folder: Path, python: Path, umask: int) -> Path:
    """Clone the project, run `make package` there, and return the archive."""
    make(clone(folder), "package", f"PYTHON={python}", umask=umask)
    return folder / "dist" / "function.zip"


@pytest.fixture(scope="module")
def archive(bare_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build what ships."""
    return package(tmp_path_factory.mktemp("one") / "clone", bare_python, umask=0o002)


def names(archive: Path) -> list[str]:
    """Read which files are in an archive, in their order."""
    with ZipFile(archive) as packed:
        return packed.namelist()


def test_another_clone_gives_the_same_bytes(archive: Path, bare_python: Path, tmp_path: Path) -> None:
    """Neither the folder's name nor the time nor the modes of its files are in what ships."""
    another = package(tmp_path / "another" / "name", bare_python, umask=0o077)

    assert another.read_bytes() == archive.read_bytes()


def test_the_archive_is_in_the_order_of_its_names(archive: Path) -> None:
    """The order in which a file system lists its files is not in what ships."""
    assert names(archive) == sorted(names(archive))


def test_the_archive_keeps_nothing_of_the_machine_that_built_it(archive: Path) -> None:
    """Modes let Lambda's user read; there is neither a time, nor a system, nor a version of zlib."""
    with ZipFile(archive) as packed:
        kept = {
            (each.create_system, oct(each.external_attr >> 16), each.date_time, each.compress_type)
            for each in packed.infolist()
        }

    assert kept == {(3, "0o100644", (1980, 1, 1, 0, 0, 0), ZIP_STORED)}


def test_the_archive_is_small(archive: Path) -> None:
    """At most 2 MiB ship to Lambda."""
    assert archive.stat().st_size <= 2 * 1024 * 1024


def test_what_ships_is_what_runs_and_what_names_it(archive: Path) -> None:
    """Besides modules there are certifi's authorities, and each package's metadata and licence."""
    metadata = r"[\w.-]+\.dist-info/(METADATA|(licenses/)?(LICENSE|NOTICE)[\w.]*)"
    allowed = re.compile(rf"(?!.*\b(bin|tests)/).+\.py|certifi/cacert\.pem|{metadata}")

    assert [name for name in names(archive) if not allowed.fullmatch(name)] == []


def test_the_whole_function_ships(archive: Path) -> None:
    """Of this project, that and nothing else."""
    source = {path.relative_to(FUNCTION).as_posix() for path in (FUNCTION / "mx_token_rotator").rglob("*.py")}

    assert {name for name in names(archive) if name.startswith("mx_token_rotator/")} == source


def test_each_package_that_ships_has_its_name_and_its_licence(archive: Path) -> None:
    """Scanners of Lambda know what runs by its metadata."""
    parts = [name.split("/") for name in names(archive) if ".dist-info/" in name]
    named = {each[0].partition("-")[0] for each in parts if each[-1] == "METADATA"}
    licensed = {each[0].partition("-")[0] for each in parts if each[-1].startswith("LICENSE")}

    assert named == licensed == PACKAGES - {"mx_token_rotator"}


@pytest.fixture(scope="module")
def unpacked(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack what ships as Lambda does."""
    folder = tmp_path_factory.mktemp("unpacked")
    with ZipFile(archive) as packed:
        packed.extractall(folder)
    return folder


def loaded(unpacked: Path, *modules: str) -> set[str]:
    """Import modules beside what Lambda's runtime has, and read which of the modules that ship this loads."""
    code = (
        f"import sys, {', '.join(modules)}\n"
        "files = {name: getattr(module, '__file__', None) or '' for name, module in sys.modules.items()}\n"
        "print(*[name for name in files if files[name].startswith(sys.path[1])])"
    )
    started = subprocess.run(  # noqa: S603  our own command
        [str(PROJECT / ".venv-emulator" / "bin" / "python"), "-B", "-c", code],
        env={"PYTHONPATH": str(unpacked), "AWS_DEFAULT_REGION": "eu-west-1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return set(started.stdout.split())


def imported(unpacked: Path, *modules: str) -> set[str]:
    """Import modules, and return the packages that this loads."""
    return {name.split(".")[0] for name in loaded(unpacked, *modules)}


def test_each_package_that_ships_is_imported(unpacked: Path) -> None:
    """A run that logs in loads them all; it imports requests only then."""
    assert imported(unpacked, *sorted(MODULES), "requests") == PACKAGES


def test_a_cold_start_does_not_load_what_logs_in(unpacked: Path) -> None:
    """Nearly every run finds fresh tokens, and needs no requests; urllib3 and certifi are botocore's too."""
    log_in = {"charset_normalizer", "idna", "requests"}

    assert imported(unpacked, "mx_token_rotator.handler") & log_in == set()


def test_a_cold_start_loads_few_modules(unpacked: Path) -> None:
    """Most of its time goes into them. Beside these, it loads boto3, which has its own urllib3 if ours is missing."""
    botos = ("urllib3", "certifi", "jmespath")

    assert len([name for name in loaded(unpacked, "mx_token_rotator.handler") if not name.startswith(botos)]) <= 55


def test_what_is_left_out_is_not_missed(unpacked: Path) -> None:
    """No import leads to it, wherever in the code, but those that do without it or are never reached."""
    found = ModuleFinder(path=[str(unpacked)])
    for module in sorted(MODULES):
        found.import_hook(module)
    missed = {name for name in found.any_missing() if name.split(".")[0] in PACKAGES}

    assert missed == {
        "aws_lambda_powertools.event_handler.openapi.compat",  # Powertools, of an event that is a pydantic model
        "urllib3.contrib",  # requests, where Python's ssl has no SNI
        "urllib3.contrib.socks",  # requests, which supports SOCKS proxies if it is there
    }


def test_no_unknown_package_ships(archive: Path) -> None:
    """Besides the function there are Powertools, requests, and what these two import."""
    shipped = {name.split("/")[0].removesuffix(".py") for name in names(archive) if ".dist-info/" not in name}

    assert shipped == PACKAGES


@pytest.fixture(scope="module")
def sbom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the bill of materials with the environment that there is."""
    path = tmp_path_factory.mktemp("sbom") / "one.cdx.json"
    make(PROJECT, "--old-file", ".venv/made-from.txt", "sbom", f"SBOM={path}")
    return path


def read(sbom: Path) -> dict[str, Any]:
    """Read a bill of materials."""
    document: dict[str, Any] = json.loads(sbom.read_text())
    return document


def test_the_bill_of_materials_is_valid(sbom: Path) -> None:
    """CycloneDX's schema accepts it."""
    version = import_module("cyclonedx.schema").SchemaVersion.from_version(read(sbom)["specVersion"])
    # Its import takes two seconds, which only the process that runs this test has to spend.
    validator = import_module("cyclonedx.validation.json").JsonStrictValidator(version)

    assert validator.validate_str(sbom.read_text()) is None


def test_the_bill_of_materials_lists_each_pin_with_its_hashes(sbom: Path) -> None:
    """It lists what is installed into the package, and nothing else."""
    blocks = re.split(r"\n(?! )", (FUNCTION / "requirements.txt").read_text().strip())
    pins = {block.split()[0]: set(re.findall(r"sha256:(\w+)", block)) for block in blocks}

    assert pins == {
        f"{component['name']}=={component['version']}": {
            each["content"] for source in component["externalReferences"] for each in source["hashes"]
        }
        for component in read(sbom)["components"]
    }


def test_the_bill_of_materials_names_the_product(sbom: Path) -> None:
    """It has the product's name, version and licence."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    component = read(sbom)["metadata"]["component"]
    licences = [each["license"]["id"] for each in component["licenses"] if "id" in each["license"]]

    assert (component["name"], component["version"], licences) == (
        project["name"],
        project["version"],
        [project["license"]],
    )

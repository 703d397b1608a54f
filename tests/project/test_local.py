"""`make local` runs the stack on this machine: every command that it prints works, and nothing is left behind."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pexpect
import pytest
import requests
from cfnlint.decode.cfn_yaml import load

from tests.project.test_local_aws import is_listening
from tools.local import demo, serve, switch
from tools.local.aws import PROJECT
from tools.local.demo import StepFailed
from tools.local.metrics import data
from tools.local.mx import CHAINS_PATH, SITES_PATH, MovieXchangeStandIn
from tools.local.stack import WEBSITE

DEFAULTS: dict[str, str | None] = {
    name: str(parameter["Default"]) if "Default" in parameter else None
    for name, parameter in load(str(PROJECT / "template.yaml"))["Parameters"].items()
}
BY_ITSELF = {"PATH": "/usr/bin:/bin"}
"""A person's shell has nothing of the project."""


def spawn(**environment: str) -> "pexpect.spawn[str]":
    """Run it on a terminal, as a person does."""
    command = ["-m", "tools.local.serve"]
    return pexpect.spawn(
        sys.executable, command, cwd=str(PROJECT), env=os.environ | environment, encoding="utf-8", timeout=120
    )


def shell(script: str) -> str:
    """Run a script in the project, away from a make that runs these tests, and return what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["/bin/sh", "-e", "-c", script]
    return subprocess.run(  # noqa: S603  our own
        command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def make(*arguments: str) -> str:
    """Run make, and return what it printed."""
    return shell(shlex.join(["make", "--no-print-directory", *arguments]))


def is_free(port: int) -> bool:
    """Tell whether a server can have this port."""
    with suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


@pytest.fixture
def switched() -> Iterator[MovieXchangeStandIn]:
    """Run movieXchange's stand-in with its switches."""
    with MovieXchangeStandIn(handler=switch.SwitchedHandler) as stand_in:
        yield stand_in


@dataclass
class Running:
    """What runs, and what it printed."""

    terminal: "pexpect.spawn[str]"
    text: str

    def commands(self, before: str) -> list[str]:
        """Return the commands under the line that begins so."""
        ((commands),) = re.findall(rf"^{before}.*\n((?:    \S.*\n)+)", self.text, re.MULTILINE)
        return [line.strip() for line in commands.splitlines()]

    def shell(self, command: str) -> tuple[int, str]:
        """Run a command in a new terminal; return its exit status, and what it printed."""
        done = subprocess.run(  # noqa: S603  as a person would
            ["/bin/sh", "-c", "\n".join([*self.commands("To begin"), command])],
            cwd="/",
            env=BY_ITSELF,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def run(self, before: str) -> list[tuple[int, str]]:
        """Run each command under the line that begins so, as it is printed."""
        return [self.shell(command) for command in self.commands(before)]

    @property
    def ports(self) -> list[int]:
        """The ports of both servers."""
        found = re.findall(r"^(?:AWS|movieXchange): +http://127\.0\.0\.1:(\d+)", self.text, re.MULTILINE)
        return [int(port) for port in found]

    @property
    def folder(self) -> Path:
        """The folder that is removed with it."""
        (programs,) = re.findall(r"need are in (.+)\.$", self.text, re.MULTILINE)
        return Path(programs).parent


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Run it until the tests of this file are over."""
    terminal = spawn()
    terminal.expect("Press Ctrl-C here to end everything")
    yield Running(terminal, (terminal.before or "").replace("\r\n", "\n"))
    terminal.close(force=True)


def test_a_token_can_be_read(running: Running) -> None:
    """With the AWS CLI."""
    ((status, printed),) = running.run("Read a token")

    assert (status, json.loads(printed)["client_id"]) == (0, WEBSITE)


def test_the_api_can_be_called(running: Running) -> None:
    """As an application does."""
    ((status, printed),) = running.run("Call movieXchange's API")

    assert (status, printed[:4]) == (0, "200 ")


def test_the_doctor_finds_only_that_nobody_is_told(running: Running) -> None:
    """All else works, metrics and alarms included."""
    ((_, printed),) = running.run("Check the stack")
    results = {check: result for result, check in re.findall(r"^\[([\w ]+)\] ([\w -]+):", printed, re.MULTILINE)}

    assert {check for check, result in results.items() if result != "ok"} == {"topics"}


def test_a_revoked_token_heals(running: Running) -> None:
    """The application reports it, and goes on with another one."""
    (_, revoked), (status, printed) = running.run("Revoke the token")

    assert (revoked.splitlines()[0], status, re.findall(r"^\d+", printed, re.MULTILINE)) == (
        "Revoked tokens of _Website: 1.",
        0,
        ["401", "200"],
    )


def test_a_mistyped_password_says_who_must_act(running: Running) -> None:
    """And the right one is accepted afterwards."""
    _, (status, printed), _ = running.run("Mistype the password")
    mended, _ = running.shell(f"mx-token-rotator check {WEBSITE}")

    assert (status, "Who must act: the owner of the movieXchange or Vista account" in printed, mended) == (1, True, 0)


def test_a_fault_can_be_switched_on_and_off(running: Running) -> None:
    """By one call each."""
    (_, listed), _, (status, printed), (_, ended) = running.run("Have movieXchange fail")

    assert ("api/http-503\n" in listed, status, "is unavailable" in printed, "No fault is on" in ended) == (
        True,
        1,
        True,
        True,
    )


def test_every_printed_command_is_run_here(running: Running) -> None:
    """None is under a heading that no test of this file names."""
    headings = re.findall(r"^(\S.*)\n    ", running.text, re.MULTILINE)
    run = re.findall(r'\.(?:run|commands)\("(.+?)"\)', Path(__file__).read_text())

    assert [heading for heading in headings if not heading.startswith(tuple(run))] == []


def test_the_sam_cli_is_among_the_programs(running: Running) -> None:
    """For whoever tries the README's deployment."""
    status, printed = running.shell("sam --version")

    assert (status, printed[:8]) == (0, "SAM CLI,")


def test_the_credentials_that_it_names_are_accepted(running: Running) -> None:
    """By the stand-in that the stack uses."""
    (address,) = re.findall(r"^(file://.+/credentials\.json)\.$", running.text, re.MULTILINE)
    put = "aws secretsmanager put-secret-value --secret-id moviexchange/staging/credentials --secret-string"

    assert running.shell(f"{put} {address} && mx-token-rotator check {WEBSITE}")[0] == 0


def test_the_headers_that_it_names_are_accepted_over_http(running: Running) -> None:
    """They are sent as the text says, because the package adds none itself."""
    (headers,) = re.findall(r"TokenSource\(.+?\)\.token\(\)\.headers\(\)", running.text)
    call = f"requests.get('http://127.0.0.1:{running.ports[1]}{CHAINS_PATH}', headers={headers}).status_code"
    code = f"import requests; from moviexchange_auth import TokenSource; print({call})"
    command = f"PYTHONPATH={PROJECT / 'src' / 'reader'} {sys.executable} -c {shlex.quote(code)}"

    assert running.shell(command) == (0, "200\n")


def test_its_settings_are_the_defaults(running: Running) -> None:
    """But for the two hosts, and the client IDs, which have no default."""
    _, printed = running.shell("aws cloudformation describe-stacks --stack-name mx-token-rotator")
    chosen = {each["ParameterKey"]: each["ParameterValue"] for each in json.loads(printed)["Stacks"][0]["Parameters"]}

    assert {name for name, value in chosen.items() if value != DEFAULTS[name]} == {"ClientIds", "AuthUrl", "ApiUrl"}


def test_the_demo_says_in_which_settings_it_differs() -> None:
    """Each with the template's default."""
    said = dict(re.findall(r"(\w+) is [^;]+? instead of ([^;]+?), so", demo.differences()))

    assert said == {name: DEFAULTS[name] for name in demo.SETTINGS}


def test_each_listed_fault_can_be_on(switched: MovieXchangeStandIn) -> None:
    """And is the only one of its place then."""
    faults = switch.listed(switched).splitlines()
    on = {}
    for each in faults:
        switch.end_all(switched)
        switch.switched(switched, "PUT", f"/faults/{each}")
        on[each] = [line for line in switch.listed(switched).splitlines() if line.endswith(" is on")]

    assert on == {each: [f"{each} is on"] for each in faults}


def test_all_faults_can_be_ended(switched: MovieXchangeStandIn) -> None:
    """By one call."""
    for place in switch.PLACES:
        requests.put(f"{switched.url}/faults/{place}/down", timeout=10)
    requests.delete(f"{switched.url}/faults", timeout=10)

    assert (switched.token_fault, switched.api_fault) == (None, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/faults/api/nothing"),
        ("PUT", "/faults/nowhere/down"),
        ("PUT", "/faults"),
        ("DELETE", "/tokens"),
        ("GET", "/faultsx"),
    ],
)
def test_what_is_no_switch_is_not_found(switched: MovieXchangeStandIn, method: str, path: str) -> None:
    """The answer says what there is."""
    answer = requests.request(method, switched.url + path, timeout=10)

    assert (answer.status_code, answer.text) == (404, switch.NO_SUCH)


def test_the_stand_in_serves_its_api_beside_the_switches(switched: MovieXchangeStandIn) -> None:
    """MovieXchange's path, and OCAPI's."""
    assert [requests.get(switched.url + path, timeout=10).status_code for path in (CHAINS_PATH, SITES_PATH)] == [
        401,
        401,
    ]


def test_the_stand_in_alone_has_no_switches(mx: MovieXchangeStandIn) -> None:
    """No test and no account of another command can be changed from outside."""
    assert requests.get(f"{mx.url}/faults", timeout=10).status_code == 404


def test_metrics_are_read_as_cloudwatch_reads_them() -> None:
    """A value for each set of dimensions."""
    line = json.loads(
        """{"_aws": {"Timestamp": 1500, "CloudWatchMetrics": [
            {"Namespace": "N", "Dimensions": [["A"], ["A", "E"]], "Metrics": [{"Name": "M"}]}
        ]}, "A": "a", "E": "e", "M": [7.0]}"""
    )
    account, error = {"Name": "A", "Value": "a"}, {"Name": "E", "Value": "e"}

    assert list(data(line)) == [
        (
            "N",
            [
                {"MetricName": "M", "Dimensions": [account], "Values": [7.0], "Timestamp": 1.5},
                {"MetricName": "M", "Dimensions": [account, error], "Values": [7.0], "Timestamp": 1.5},
            ],
        )
    ]


@pytest.mark.parametrize("taken", [0, 1])
def test_a_port_that_is_taken_is_named(taken: int) -> None:
    """Whether it is AWS's or movieXchange's."""
    with socket.create_server(("127.0.0.1", 0)) as other, ExitStack() as resources:
        port = other.getsockname()[1] - taken

        with pytest.raises(StepFailed, match=rf"ports {port} and {port + 1} .* in use\. Name others with PORT="):
            serve.start(resources, port)


def test_both_servers_have_the_ports_that_are_asked_for() -> None:
    """So that an application's settings stay the same."""
    port = next(port for port in range(20_000 + os.getpid() % 10_000, 32_000) if is_free(port) and is_free(port + 1))
    with ExitStack() as resources:
        guide = serve.start(resources, port)

    assert (guide.stack.aws.endpoint, guide.mx.url) == (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}")


@pytest.mark.parametrize("text", ["80", "65535", "-1", "http"])
def test_what_is_no_port_is_refused(text: str) -> None:
    """With the numbers that can be."""
    with pytest.raises(ArgumentTypeError, match=f"^{text} is not a number from 1024 to 65534$"):
        serve.port_number(text)


def test_make_lists_every_target_and_no_other() -> None:
    """With a line for each."""
    makefile = (PROJECT / "Makefile").read_text()
    targets = re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)

    assert sorted(re.findall(r"^  make ([a-z-]+) +\S", make(), re.MULTILINE)) == sorted({*targets} - {"help"})


def test_no_file_can_stand_in_the_way_of_a_target() -> None:
    """Make runs each whatever files there are."""
    makefile = (PROJECT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)

    assert sorted(phony.split()) == sorted(set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)))


@pytest.mark.parametrize(
    ("target", "made"),
    [
        ("local", [".venv-local", ".venv-emulator", ".venv-sam"]),
        ("demo", [".venv-local", ".venv-emulator", ".venv-sam"]),
        ("test", [".venv", ".venv-emulator", ".venv-sam", ".venv-checkov", ".node", ".node-cdk", ".node-reading"]),
        ("environments", [".venv", ".venv-emulator", ".venv-sam"]),
    ],
)
def test_each_environment_is_announced(target: str, made: list[str]) -> None:
    """With its number, what it is for, and its size."""
    lines = re.findall(r"^.*echo .*$", make("--dry-run", "--always-make", target), re.MULTILINE)
    printed = shell("\n".join(lines)).splitlines()

    assert [re.findall(r"^(\d) of (\d): installing .+ \(\d+ MB\) into (\S+)$", each) for each in printed] == [
        [(str(number), str(len(made)), name)] for number, name in enumerate(made, start=1)
    ]


def test_the_tests_say_first_how_long_they_take() -> None:
    """Before anything is installed."""
    assert make("--dry-run", "test").startswith("All checks take about 4 minutes.")


def test_make_passes_on_the_port() -> None:
    """Make only prints what it would run."""
    assert make("--dry-run", "local", "PORT=4566").splitlines()[-1].split()[-2:] == ["tools.local.serve", "4566"]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_at_the_start_ends_everything(sent: signal.Signals, tmp_path: Path) -> None:
    """AWS removes its files when it has ended."""
    terminal = spawn(TMPDIR=str(tmp_path))
    terminal.expect("Deploying")
    begun = [*tmp_path.iterdir()]
    terminal.kill(sent)
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert (len(begun), [*tmp_path.iterdir()], terminal.exitstatus) == (1, [], 130)


def test_ctrl_c_ends_everything(running: Running) -> None:
    """The last test of the file: nothing listens, and no file is left."""
    running.terminal.sendintr()
    running.terminal.expect(pexpect.EOF)
    running.terminal.close()

    assert (running.terminal.exitstatus, [is_listening(port) for port in running.ports], running.folder.exists()) == (
        0,
        [False, False],
        False,
    )

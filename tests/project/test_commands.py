"""The commands in the docs for operators: the AWS CLI has each call and option, and the template each parameter."""

import re
import shlex

import botocore.session
import pytest
from botocore import xform_name
from cfnlint.decode.cfn_yaml import load

from tools.local.aws import PROJECT

SESSION = botocore.session.get_session()
PAGES = ["operating.md", "break-glass.md", "leaked.md", "deploying.md", "reference.md"]
OF_THE_CLI = {"query", "output", "cli-input-json", "cli-binary-format", "cli-read-timeout"}
"""Options that the AWS CLI adds to every operation."""
CUSTOM = {("cloudformation", "deploy"), ("codeartifact", "login"), ("lambda", "wait"), ("s3", "cp")}
"""Commands of the AWS CLI that are not operations."""
PARAMETERS = load(str(PROJECT / "template.yaml"))["Parameters"]


def calls() -> list[list[str]]:
    """Read each call of the AWS CLI on the pages, in blocks and in sentences, in its words."""
    text = "\n".join((PROJECT / "docs" / page).read_text() for page in PAGES)
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    inline = re.findall(r"`(aws [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    found = re.findall(r"\baws [a-z0-9-]+ (?:[^\n'\"()|>;`]|'[^']*'|\"(?:\\.|[^\"\\])*\")*", "\n".join(blocks + inline))
    return [words for call in dict.fromkeys(found) if len(words := shlex.split(call)) > 2]


@pytest.mark.parametrize("words", calls(), ids=lambda words: " ".join(words[1:3]))
def test_the_aws_cli_has_each_command_with_its_options(words: list[str]) -> None:
    """An operation of botocore's model and its arguments, as the CLI writes them."""
    _, service, operation, *arguments = words
    if (service, operation) in CUSTOM:
        return
    options = {each.removeprefix("--").removeprefix("no-") for each in arguments if each.startswith("--")}
    model = SESSION.get_service_model(service)
    (name,) = (each for each in model.operation_names if xform_name(each, "-") == operation)
    shape = model.operation_model(name).input_shape
    members = {xform_name(each, "-") for each in (shape.members if shape else ())}

    assert options - members - OF_THE_CLI == set()


def overrides() -> list[tuple[str, str]]:
    """Read each parameter that a page passes to `sam deploy`."""
    text = "\n".join((PROJECT / page).read_text() for page in ["README.md", *(f"docs/{page}" for page in PAGES)])
    named = re.findall(r"--parameter-overrides '([^']*)'", text)
    return [pair for each in named for pair in re.findall(r'(\w+)="([^"]*)"', each)]


@pytest.mark.parametrize(("name", "value"), dict.fromkeys(overrides()))
def test_the_template_takes_each_parameter_that_the_docs_pass(name: str, value: str) -> None:
    """By its name, and with that value."""
    assert re.fullmatch(PARAMETERS[name]["AllowedPattern"], value)


def deployments() -> list[str]:
    """Read each command that deploys a stack by its name."""
    text = "\n".join((PROJECT / page).read_text() for page in ["README.md", *(f"docs/{page}" for page in PAGES)])
    return re.findall(r"^ *(?:deploy\(\) \{ )?(sam deploy .*--stack-name .*)$", text, re.MULTILINE)


@pytest.mark.parametrize("command", deployments())
def test_no_stack_is_deployed_with_the_saved_answers_of_another(command: str) -> None:
    """A plain `sam deploy` sends those of the first stack, whatever stack it names."""
    assert re.search(r"--config-env \S|--config-file samconfig\.yaml", command)


@pytest.mark.parametrize("message", ["Unable to upload artifact", "No changes to deploy"])
def test_the_runbook_has_messages_of_the_sam_cli_in_its_words(message: str) -> None:
    """The other messages of the table are CloudFormation's."""
    (package,) = (PROJECT / ".venv-sam").glob("lib/*/site-packages/samcli/commands")
    said = "".join(path.read_text() for path in package.glob("*/exceptions.py"))

    assert (message in said, f"| `{message}" in (PROJECT / "docs" / "operating.md").read_text()) == (True, True)

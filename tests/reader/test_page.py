"""docs/reading-tokens.md: it shows the recipes as they are, and its policies allow what it says."""

import json
import re
from typing import Any

import pytest
import yaml

from mx_token_rotator_operator.policy import reader_policy
from tests.reader.recipes import FOLDER, PAGE, block
from tools.local.aws import REGION
from tools.local.iam import Principal, Request, Resource, decide
from tools.local.permissions import KEY, KEY_POLICY, OTHER_ACCOUNT_ID, SUFFIX, WEB, WEBSITE
from tools.local.translated import ACCOUNT_ID

TEXT = PAGE.read_text()
LANGUAGES = {".py": "python", ".ts": "ts", ".mjs": "js", ".sh": "sh"}
SHOWN = re.findall(r"^\[`(.+)`\]\(\.\./examples/reading/\1\):\n\n```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SECTIONS: dict[str, str] = dict(re.findall(r"^##+ ([^\n]+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL))
WITHOUT_OWN_RULES = {"ECS", "Outside AWS", "Report by hand", "Web pages"}


def test_the_page_shows_recipes_as_they_are() -> None:
    """In the language that they are in."""
    assert [(file, language, text) for file, language, text in SHOWN] == [
        (file, LANGUAGES["." + file.rpartition(".")[2]], (FOLDER / file).read_text()) for file, _, _ in SHOWN
    ]


def test_the_page_links_to_every_recipe() -> None:
    """Whether it shows the text or not."""
    assert set(re.findall(r"\]\(\.\./examples/reading/(.+?)\)", TEXT)) == {each.name for each in FOLDER.iterdir()}


def linked() -> list[str]:
    """Return the headings to which the first table sends its readers."""
    (table,) = re.findall(r"^\| I use … .*\n\| ---.*\n((?:\| .*\n)+)", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-"): each for each in SECTIONS}
    return [anchors[anchor] for anchor in re.findall(r"\]\(#(.+?)\)", table)]


@pytest.mark.parametrize("heading", sorted({*linked()} - WITHOUT_OWN_RULES))
def test_each_recipe_says_how_long_it_keeps_a_token_and_how_it_learns_of_a_new_one(heading: str) -> None:
    """Or that it keeps none."""
    section = SECTIONS[heading]

    assert re.search(r"Keeps (a token|no token)|keeps (it|a secret) for", section)
    assert ("Learns of a new one:" in section) is not ("Keeps no token" in section)


@pytest.mark.parametrize("heading", ["Java", "Go", ".NET", "ECS", "EKS"])
def test_what_was_not_run_says_so(heading: str) -> None:
    """First of all."""
    assert SECTIONS[heading].lstrip().startswith("*Not run.*")


def test_the_objects_for_a_cluster_go_together() -> None:
    """And leave two of the five minutes to the file in the pod."""
    store, copy = yaml.safe_load_all(block("EKS", "yaml"))

    assert (copy["spec"]["secretStoreRef"], copy["spec"]["refreshInterval"]) == (
        {"kind": store["kind"], "name": store["metadata"]["name"]},
        "3m",
    )


def replaced(text: str) -> Any:  # noqa: ANN401  JSON
    """Read a JSON text with the page's samples replaced as a reader would."""
    samples = {"111122223333": ACCOUNT_ID, "444455556666": OTHER_ACCOUNT_ID, "KEY_ARN": KEY, "eu-west-1": REGION}
    return json.loads(re.sub("|".join(samples), lambda found: samples[found[0]], text))


def documented(name: str) -> Any:  # noqa: ANN401  JSON
    """Read the JSON file that the page shows under its name."""
    (text,) = re.findall(rf"`{re.escape(name)}`:\n\n +```json\n(.*?)^ +```$", TEXT, re.MULTILINE | re.DOTALL)
    return replaced(text)


def test_the_policy_on_the_page_is_the_one_that_the_operators_tool_prints() -> None:
    """With its own samples for the account and the Region."""
    shown = replaced(block("Let an application read its token", "json"))

    assert shown == reader_policy("moviexchange/staging", [WEBSITE], REGION, ACCOUNT_ID, None)


def secret(name: str) -> Resource:
    """Return a token secret with the documented policy."""
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:moviexchange/staging/tokens/{name}{SUFFIX}"
    return Resource(arn=arn, account=ACCOUNT_ID, policy=documented("token-policy.json"))


def key() -> Resource:
    """Return the stack's key, whose policy got the documented statement."""
    statements = [*KEY_POLICY["Statement"], documented("key-statement.json")]
    return Resource(arn=KEY, account=ACCOUNT_ID, policy={**KEY_POLICY, "Statement": statements})


def bus() -> Resource:
    """Return the default bus with the documented policy."""
    arn = f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default"
    return Resource(arn=arn, account=ACCOUNT_ID, policy=documented("bus-policy.json"))


def decrypting(name: str) -> dict[str, str | list[str]]:
    """Return the context in which Secrets Manager decrypts a token."""
    return {
        "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": secret(name).arn,
    }


def reporting(name: str) -> dict[str, str | list[str]]:
    """Return the context of a report."""
    return {"events:source": [f"moviexchange/staging/tokens/{name}"], "events:detail-type": ["Access Token Rejected"]}


def requests() -> dict[str, Request]:
    """Return what an application needs, and what it must not have."""
    return {
        "read": Request(action="secretsmanager:GetSecretValue", resource=secret(WEBSITE)),
        "decrypt": Request(action="kms:Decrypt", resource=key(), context=decrypting(WEBSITE)),
        "report": Request(action="events:PutEvents", resource=bus(), context=reporting(WEBSITE)),
        "write": Request(action="secretsmanager:PutSecretValue", resource=secret(WEBSITE)),
        "decrypt another": Request(action="kms:Decrypt", resource=key(), context=decrypting(WEB)),
        "report another": Request(action="events:PutEvents", resource=bus(), context=reporting(WEB)),
    }


POLICY = reader_policy("moviexchange/staging", [WEBSITE], REGION, ACCOUNT_ID, KEY)
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


@pytest.mark.parametrize(
    ("role", "policy", "allowed"),
    [
        ("website", POLICY, ["read", "decrypt", "report"]),
        ("website", ANYTHING, ["read", "decrypt", "report"]),
        ("another", ANYTHING, []),
    ],
)
def test_the_documented_policies_admit_one_role_of_another_account(
    role: str, policy: dict[str, Any], allowed: list[str]
) -> None:
    """To one token, whatever its own account allows it."""
    caller = Principal(arn=f"arn:aws:iam::{OTHER_ACCOUNT_ID}:role/{role}", policies=(policy,))
    decisions = decide((caller, request) for request in requests().values())

    assert [name for name, is_allowed in zip(requests(), decisions, strict=True) if is_allowed] == allowed

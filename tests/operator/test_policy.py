"""The written-out policy for reading several tokens; that for one is in the docs, and in the tests of the stack."""

from collections.abc import Callable

import pytest

from mx_token_rotator_operator.policy import reader_policy
from tools.local.aws import REGION
from tools.local.iam import Request, Resource, decide
from tools.local.permissions import KEY, KEY_POLICY, WEB, WEBSITE, app, secret
from tools.local.translated import ACCOUNT_ID

ACCOUNT = "moviexchange/staging"
BUS = Resource(arn=f"arn:aws:events:{REGION}:{ACCOUNT_ID}:event-bus/default", account=ACCOUNT_ID)


def report(*names: str) -> Request:
    """Return a batch with a report of each token."""
    context = {
        "events:source": [f"{ACCOUNT}/tokens/{name}" for name in names],
        "events:detail-type": ["Access Token Rejected"],
    }
    return Request(action="events:PutEvents", resource=BUS, context=context)


def decrypt(name: str) -> Request:
    """Return what Secrets Manager asks KMS when somebody reads a token."""
    context = {
        "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": secret(f"{ACCOUNT}/tokens/{name}").arn,
    }
    return Request(
        action="kms:Decrypt", resource=Resource(arn=KEY, account=ACCOUNT_ID, policy=KEY_POLICY), context=context
    )


def read(name: str) -> Request:
    """Return a reading of a token secret."""
    return Request(action="secretsmanager:GetSecretValue", resource=secret(f"{ACCOUNT}/tokens/{name}"))


@pytest.mark.parametrize("ask", [read, report, decrypt])
def test_a_policy_for_two_names_allows_both_and_no_other(ask: Callable[[str], Request]) -> None:
    """To read, to report and to decrypt."""
    application = app(reader_policy(ACCOUNT, [WEBSITE, WEB], REGION, ACCOUNT_ID, KEY))
    asked = [ask(name) for name in (WEBSITE, WEB, "Other")]

    assert decide((application, each) for each in asked) == [True, True, False]


def test_a_batch_may_report_several_of_the_tokens_but_no_other() -> None:
    """Every entry counts."""
    application = app(reader_policy(ACCOUNT, [WEBSITE, WEB], REGION, ACCOUNT_ID, None))

    assert decide([(application, report(WEBSITE, WEB)), (application, report(WEBSITE, "Other"))]) == [True, False]


@pytest.mark.parametrize(("partition", "domain"), [("aws", "amazonaws.com"), ("aws-cn", "amazonaws.com.cn")])
def test_a_policy_is_for_the_partition_of_the_account(partition: str, domain: str) -> None:
    """China's services have names of their own."""
    statements = reader_policy(ACCOUNT, [WEB], "cn-north-1", ACCOUNT_ID, KEY, partition=partition)["Statement"]
    via = [each["Condition"]["StringEquals"] for each in statements if each["Sid"] == "DecryptToken"]

    assert (via, [each["Resource"].split(":")[1] for each in statements[:2]]) == (
        [{"kms:ViaService": f"secretsmanager.cn-north-1.{domain}"}],
        [partition] * 2,
    )

"""What the security page says Security Hub and AWS Config will find, worked out from the template where it shows."""

from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.decode.cfn_yaml import load

from tests.project.test_docs import rows
from tools.local.aws import PROJECT
from tools.local.translated import Resolver, translated

TEMPLATE: dict[str, Any] = load(str(PROJECT / "template.yaml"))
DEFAULTS = {name: str(each.get("Default", "_Website")) for name, each in TEMPLATE["Parameters"].items()}
OWN = {
    "KmsKeyArn": "arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "AlarmTopicArn": "arn:aws:sns:eu-west-1:000000000000:alarms",
    "LogRetentionDays": "365",
}
WORDS = {True: "passes", False: "fails", None: "nothing to evaluate"}
SUPPORTED = {"python3.14", "python3.13", "python3.12", "python3.11", "python3.10"}
"""The Python runtimes that Lambda.2 accepts (Security Hub's page on Lambda controls)."""
NOT_IN_THE_TEMPLATE = {"CloudFormation.2", "CloudFormation.3", "CloudFormation.4", "SecretsManager.3", "required-tags"}
"""What depends on how the stack is deployed and on who reads its secrets."""


class Deployed:
    """The resources of a stack, as CloudFormation would make them."""

    def __init__(self, parameters: dict[str, str]) -> None:
        """Translate the template for these parameters."""
        plain = translated(TEMPLATE, {"ClientIds": "_Website"})
        arns = {f"{name}.Arn": f"arn:aws:service:eu-west-1:000000000000:{name}" for name in plain["Resources"]}
        names = {name: name for name in plain["Resources"]}
        resolver = Resolver(plain, DEFAULTS | parameters, names | arns)
        self._resources = [
            resolver.resolve(each)
            for each in plain["Resources"].values()
            if "Condition" not in each or resolver.holds(each["Condition"])
        ]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the properties of the resources of a type."""
        return [each.get("Properties", {}) for each in self._resources if each["Type"] == f"AWS::{kind}"]

    def each(self, kind: str, holds: Any) -> bool | None:  # noqa: ANN401  a predicate of properties
        """Return whether something holds of every resource of a type; None if there is none."""
        return all(holds(each) for each in self.of(kind)) if self.of(kind) else None

    def allowed(self, kind: str) -> Iterator[dict[str, Any]]:
        """Return the statements that allow something, in the policies of the roles or the managed ones."""
        for each in self.of(kind):
            for policy in each.get("Policies", [each]):
                yield from (
                    it for it in policy.get("PolicyDocument", {}).get("Statement", []) if it["Effect"] == "Allow"
                )


def tagged(properties: dict[str, Any]) -> bool:
    """Return whether a resource has tags."""
    return bool(properties.get("Tags"))


def controls(stack: Deployed) -> dict[str, bool | None]:
    """Return what each control of Security Hub finds that goes by properties of resources."""
    statements = [*stack.allowed("IAM::ManagedPolicy"), *stack.allowed("IAM::Role")]
    principals = [
        (it["Principal"], it["Condition"]["ArnEquals"]["aws:SourceArn"])
        for policy in stack.of("SQS::QueuePolicy")
        for it in policy["PolicyDocument"]["Statement"]
    ]
    rotates = bool(stack.of("SecretsManager::RotationSchedule"))
    in_vpc = stack.each("Lambda::Function", lambda it: "VpcConfig" in it)
    return {
        "CloudWatch.15": stack.each("CloudWatch::Alarm", lambda it: it.get("AlarmActions")),
        "CloudWatch.16": stack.each("Logs::LogGroup", lambda it: int(it["RetentionInDays"]) >= 365),
        "CloudWatch.17": stack.each("CloudWatch::Alarm", lambda it: it.get("ActionsEnabled", True)),
        "EventBridge.2, EventBridge.3, EventBridge.4": None if not stack.of("Events::EventBus") else False,
        "IAM.1, IAM.21": all(":*" not in str(it["Action"]) for it in stack.allowed("IAM::ManagedPolicy")),
        "IAM.24": stack.each("IAM::Role", tagged),
        "KMS.1, KMS.2": all(it["Resource"] != "*" for it in statements if "kms:" in str(it["Action"])),
        "KMS.3, KMS.4, KMS.5": stack.each("KMS::Key", lambda it: it.get("EnableKeyRotation")),
        "Lambda.1": not stack.of("Lambda::Permission"),
        "Lambda.2": stack.each("Lambda::Function", lambda it: it["Runtime"] in SUPPORTED),
        "Lambda.3": in_vpc,
        "Lambda.5": in_vpc or None,
        "Lambda.6": stack.each("Lambda::Function", tagged),
        "Lambda.7": stack.each("Lambda::Function", lambda it: it.get("TracingConfig", {}).get("Mode") == "Active"),
        "SecretsManager.1": rotates,
        "SecretsManager.2": rotates or None,
        "SecretsManager.4": rotates,
        "SecretsManager.5": stack.each("SecretsManager::Secret", tagged),
        "SNS.1": stack.each("SNS::Topic", lambda it: it.get("KmsMasterKeyId")),
        "SNS.3": stack.each("SNS::Topic", tagged),
        "SNS.4": None if not stack.of("SNS::Topic") else not stack.of("SNS::TopicPolicy"),
        "SQS.1": stack.each("SQS::Queue", lambda it: it.get("SqsManagedSseEnabled") or it.get("KmsMasterKeyId")),
        "SQS.2": stack.each("SQS::Queue", tagged),
        "SQS.3": all("*" not in str(it) for it in principals),
    }


def config_rules(stack: Deployed) -> dict[str, bool | None]:
    """Return what each rule of AWS Config finds that goes by properties of resources, by the rule's own defaults."""
    return {
        "cloudwatch-alarm-action-check": stack.each(
            "CloudWatch::Alarm", lambda it: it.get("AlarmActions") and it.get("InsufficientDataActions")
        ),
        "cloudwatch-log-group-encrypted": stack.each("Logs::LogGroup", lambda it: it.get("KmsKeyId")),
        "iam-no-inline-policy-check": stack.each("IAM::Role", lambda it: not it.get("Policies")),
        "lambda-concurrency-check": stack.each("Lambda::Function", lambda it: it.get("ReservedConcurrentExecutions")),
        "lambda-dlq-check": stack.each("Lambda::Function", lambda it: it.get("DeadLetterConfig")),
        "secretsmanager-using-cmk": stack.each("SecretsManager::Secret", lambda it: it.get("KmsKeyId")),
    }


@pytest.fixture(scope="module")
def default() -> Deployed:
    """Translate the template for a stack whose parameters are all at their defaults."""
    return Deployed({})


def said(head: str) -> dict[str, str]:
    """Read what the page says of a default stack, by the first cell of a table's rows."""
    return {
        first.split("`")[1] if "`" in first else first: cells[-2]
        for first, *cells in rows(head)
        if not {first, *first.split("`")} & NOT_IN_THE_TEMPLATE
    }


def test_the_page_says_of_each_control_what_the_template_amounts_to(default: Deployed) -> None:
    """A property that is added or left out changes what Security Hub says."""
    assert said("control") == {name: WORDS[found] for name, found in controls(default).items()}


def test_the_page_says_of_each_config_rule_what_the_template_amounts_to(default: Deployed) -> None:
    """By the rules' own defaults, which differ from Security Hub's."""
    assert said("rule | default stack") == {name: WORDS[found] for name, found in config_rules(default).items()}


def test_the_parameters_that_the_page_names_satisfy_their_controls(default: Deployed) -> None:
    """A topic, a retention of a year, and a key."""
    own = Deployed(OWN)
    before, after = (controls(stack) | config_rules(stack) for stack in (default, own))

    assert {name for name, found in after.items() if found and not before[name]} == {
        "CloudWatch.15",
        "CloudWatch.16",
        "secretsmanager-using-cmk",
    }


def test_the_short_answer_names_what_fails_in_the_standard_that_is_on_by_default() -> None:
    """It is what most readers will see."""
    failing = [name for name, standard, found, _ in rows("control") if standard == "FSBP" and found == "fails"]
    (answer,) = (answer for question, answer in rows("question") if "Security Hub" in question)

    assert f"a default stack fails {', '.join(failing[:-1])} and {failing[-1]}." in answer

"""The IAM policy of a role that deploys a stack, made from the template.

CloudFormation calls AWS as whoever deploys. The schemas of the resource types, which cfn-lint contains, name the
permissions of each type's handlers; the SAM CLI needs some more.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from cfnlint.decode.cfn_yaml import load
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from tools.local.aws import PROJECT, REGION
from tools.local.document import table
from tools.local.translated import translated

DOCUMENT = PROJECT / "docs" / "deploying.md"
HANDLERS = ("create", "read", "update", "delete")
KMS = ("kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
ATTACH = ("iam:AttachRolePolicy", "iam:DetachRolePolicy")

FOR_PROPERTIES: dict[str, dict[str, tuple[str, ...]]] = {
    "AWS::SecretsManager::Secret": {
        "SecretString": ("secretsmanager:GetSecretValue",),  # so whoever deploys cannot read the credentials
        "GenerateSecretString": ("secretsmanager:GetRandomPassword",),
        "ReplicaRegions": ("secretsmanager:ReplicateSecretToRegions", "secretsmanager:RemoveRegionsFromReplication"),
    },
    "AWS::Lambda::Function": {
        "CapacityProviderConfig": (
            *("lambda:PassCapacityProvider", "lambda:PutFunctionScalingConfig", "lambda:GetFunctionScalingConfig"),
            "lambda:AssociateRuntimeAlias",
        ),
        "CodeSigningConfigArn": (
            *("lambda:GetCodeSigningConfig", "lambda:PutFunctionCodeSigningConfig"),
            "lambda:DeleteFunctionCodeSigningConfig",
        ),
        "FileSystemConfigs": ("elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"),
        "KmsKeyArn": (*KMS, "kms:CreateGrant", "kms:Encrypt"),
        "Layers": ("lambda:GetLayerVersion",),
        "PublishToLatestPublished": ("lambda:PublishVersion",),
        "RecursiveLoop": ("lambda:PutFunctionRecursionConfig",),
        "ReservedConcurrentExecutions": ("lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency"),
        "RuntimeManagementConfig": ("lambda:PutRuntimeManagementConfig",),
    },
    "AWS::Lambda::EventSourceMapping": {"KmsKeyArn": KMS},
    "AWS::Events::Rule": {"RoleArn": ("iam:PassRole",)},
    "AWS::IAM::Role": {"ManagedPolicyArns": ATTACH},
    "AWS::IAM::ManagedPolicy": {
        "Groups": ("iam:AttachGroupPolicy", "iam:DetachGroupPolicy"),
        "Roles": ATTACH,
        "Users": ("iam:AttachUserPolicy", "iam:DetachUserPolicy"),
    },
    "AWS::Logs::LogGroup": {
        "BearerTokenAuthenticationEnabled": ("logs:PutBearerTokenAuthentication",),
        "DataProtectionPolicy": (
            *("logs:PutDataProtectionPolicy", "logs:CreateLogDelivery", "s3:REST.PUT.OBJECT"),
            "firehose:TagDeliveryStream",
        ),
        "DeletionProtectionEnabled": ("logs:PutLogGroupDeletionProtection",),
        "FieldIndexPolicies": ("logs:PutIndexPolicy", "logs:DeleteIndexPolicy"),
        "ResourcePolicyDocument": ("logs:PutResourcePolicy", "logs:DeleteResourcePolicy"),
    },
    "AWS::SNS::Topic": {
        "DataProtectionPolicy": ("sns:PutDataProtectionPolicy",),
        "DeliveryStatusLogging": ("iam:GetRole", "iam:PassRole"),
    },
    "AWS::SNS::Subscription": {"SubscriptionRoleArn": ("iam:GetRole", "iam:PassRole")},
}
"""Permissions that a type's handlers need only for a property, and that are left out while the template lacks it."""

NO_RESOURCE = {
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"),
    *("logs:DescribeIndexPolicies", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies"),
}
"""Actions that IAM decides on without a resource."""
FOR_MAPPING = {f"lambda:{action}EventSourceMapping" for action in ("Create", "Update", "Delete")}
"""Actions on a mapping, whose name nobody knows before; IAM decides by the function that it is for."""
WITH_BOUNDARY = {"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
"""Actions that a company may allow only for roles with its permissions boundary."""

DEPLOY = (
    *("CreateChangeSet", "DescribeChangeSet", "ExecuteChangeSet", "DescribeStacks", "DescribeStackEvents"),
    *("GetTemplate", "GetTemplateSummary", "ListChangeSets", "RollbackStack", "DeleteStack", "TagResource"),
)
"""Actions of CloudFormation that `sam deploy` and `sam delete` call for the stack."""
SAM_STACK = "aws-sam-cli-managed-default"
SAM_BUCKET = f"arn:aws:s3:::{SAM_STACK}-samclisourcebucket-*"
BUCKET = {
    "BucketEncryption": ("PutEncryptionConfiguration",),
    "PublicAccessBlockConfiguration": ("PutBucketPublicAccessBlock",),
    "Tags": ("PutBucketTagging", "TagResource"),
    "VersioningConfiguration": ("PutBucketVersioning",),
}
"""Actions for the properties of the bucket that the SAM CLI makes, by its own stack, at the first use in a Region."""


HELP = {
    "stack": "the stack's name",
    "account": "its SecretPrefix, a slash, and its Environment",
    "region": "where it may be deployed; an asterisk stands for any",
    "account_id": "the AWS account in which it may be deployed; an asterisk stands for any",
    "role_path": "its RolePath",
    "boundary": "a permissions boundary that each of its roles must have",
    "key": "its KmsKeyArn",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """The stack that may be deployed, and where; an asterisk stands for any."""

    stack: str = "mx-token-rotator"
    account: str = "moviexchange/staging"
    """Its SecretPrefix and Environment."""
    region: str = "*"
    account_id: str = "*"
    role_path: str = "/"
    boundary: str = "none"
    key: str = "none"

    def arn(self, service: str, name: str) -> str:
        """Return the ARN of something in this Region and AWS account."""
        region = "" if service == "iam" or name.startswith("dashboard/") else self.region
        return f"arn:aws:{service}:{region}:{self.account_id}:{name}"

    @property
    def names(self) -> str:
        """The names that CloudFormation makes for resources; it shortens the stack's where a name would be too long."""
        kept = 24
        return f"{self.stack}-*" if len(self.stack) <= kept else f"{self.stack[:kept]}*"

    @property
    def scopes(self) -> dict[str, list[str]]:
        """The stack's resources by their service."""
        names = {
            "cloudwatch": [f"alarm:{self.names}", f"dashboard/{self.stack}-*"],
            "events": [f"rule/{self.names}"],
            "iam": [f"role{self.role_path}{self.names}", f"policy{self.role_path}{self.names}"],
            "lambda": [f"function:{self.stack}", "event-source-mapping:*"],
            "logs": [f"log-group:/aws/lambda/{self.stack}", f"log-group:/aws/lambda/{self.stack}:*"],
            "scheduler": [f"schedule/default/{self.names}"],
            # A secret that does not exist yet has no suffix.
            "secretsmanager": [f"secret:{self.account}/credentials", f"secret:{self.account}/credentials-??????"],
            "sns": [self.names],
            "sqs": [f"{self.stack}.fifo"],
        }
        arns = {service: [self.arn(service, name) for name in each] for service, each in names.items()}
        return arns | {"s3": [f"{SAM_BUCKET}/*"]}  # Lambda reads the archive as whoever deploys


@cache
def resources() -> list[dict[str, Any]]:
    """Return the resources of the template, as CloudFormation makes them."""
    plain = translated(load(str(PROJECT / "template.yaml")), {"ClientIds": "_Website"})
    return list(plain["Resources"].values())


def parameter(name: str) -> dict[str, Any]:
    """Return what the template says of a parameter."""
    declared: dict[str, Any] = load(str(PROJECT / "template.yaml"))["Parameters"][name]
    return declared


def is_accepted(name: str, value: str) -> bool:
    """Return whether the template accepts a value of a parameter."""
    pattern = parameter(name).get("AllowedPattern") or "|".join(parameter(name)["AllowedValues"])
    return bool(re.fullmatch(pattern, value))


def handled(kind: str) -> set[str]:
    """Return every permission of a resource type's handlers. Raises KeyError for a type without handlers."""
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["handlers"]
    return {action for name in HANDLERS for action in handlers.get(name, {}).get("permissions", [])}


def required(of: Iterable[dict[str, Any]]) -> set[str]:
    """Return the permissions to create, read, change and delete these resources."""
    used: dict[str, set[str]] = {}
    for each in of:
        used.setdefault(each["Type"], set()).update(each.get("Properties", {}))
    actions: set[str] = set()
    for kind, properties in used.items():
        spared = (names for each, names in FOR_PROPERTIES.get(kind, {}).items() if each not in properties)
        actions |= handled(kind) - {name for names in spared for name in names}
    return actions


def policy(target: Target, actions: set[str]) -> dict[str, Any]:
    """Return the policy that allows these actions on one stack's resources, and what the SAM CLI needs."""
    pass_role = {"iam:PassRole"} & actions
    bounded = WITH_BOUNDARY & actions if target.boundary != "none" else set()
    removal = {"iam:DeleteRolePermissionsBoundary"} if bounded else set()
    rest = actions - NO_RESOURCE - FOR_MAPPING - pass_role - bounded - removal
    roles = target.scopes["iam"][:1]
    return {
        "Version": "2012-10-17",
        "Statement": [
            *(
                statement(service, {each for each in rest if each.startswith(f"{service}:")}, target.scopes[service])
                for service in sorted({each.partition(":")[0] for each in rest})
            ),
            *([statement("roles with the boundary", bounded, roles, bounded_by(target.boundary))] if bounded else []),
            statement("pass roles", pass_role, roles, passed_to("lambda", "scheduler")),
            statement("mapping", FOR_MAPPING & actions, ["*"], for_function(target.scopes["lambda"][0])),
            statement("read", NO_RESOURCE & actions, ["*"]),
            *([use_key(target)] if target.key != "none" else []),
            *sam_cli(target),
        ],
    }


def statement(
    name: str, actions: Iterable[str], on: list[str], condition: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return a statement of a policy; its Sid is made of the name."""
    allowed = {"Effect": "Allow", "Action": sorted(actions), "Resource": on}
    return {"Sid": name.title().replace(" ", ""), **allowed, **({"Condition": condition} if condition else {})}


def bounded_by(boundary: str) -> dict[str, Any]:
    """Return the condition that a role has this permissions boundary."""
    return {"StringEquals": {"iam:PermissionsBoundary": boundary}}


def passed_to(*services: str) -> dict[str, Any]:
    """Return the condition that a role is passed to one of these services."""
    return {"StringEquals": {"iam:PassedToService": [f"{service}.amazonaws.com" for service in services]}}


def for_function(arn: str) -> dict[str, Any]:
    """Return the condition that an event source mapping is for this function."""
    return {"ArnLike": {"lambda:FunctionArn": arn}}


def use_key(target: Target) -> dict[str, Any]:
    """Return the statement for the key of the secrets: creating a secret checks it, changing the key re-encrypts."""
    via = {"StringLike": {"kms:ViaService": f"secretsmanager.{target.region}.amazonaws.com"}}
    return statement("key of the secrets", ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"), [target.key], via)


def sam_cli(target: Target) -> list[dict[str, Any]]:
    """Return the statements for the SAM CLI: change sets, its transform, and its bucket for the function's archive."""
    stacks = [target.arn("cloudformation", f"stack/{name}/*") for name in (target.stack, SAM_STACK)]
    transform = f"arn:aws:cloudformation:{target.region}:aws:transform/Serverless-2016-10-31"
    bucket = {"CreateBucket", "GetBucketPolicy", "PutBucketPolicy", "ListBucket"}
    bucket |= {action for actions in BUCKET.values() for action in actions}
    return [
        statement("stack", (f"cloudformation:{action}" for action in DEPLOY), stacks[:1]),
        statement("stack of the bucket", (f"cloudformation:{action}" for action in DEPLOY[:5]), stacks[1:]),
        statement("transform", ["cloudformation:CreateChangeSet"], [transform]),
        statement("bucket", (f"s3:{action}" for action in bucket), [SAM_BUCKET]),
        statement("archive", ["s3:PutObject", "s3:DeleteObject"], [f"{SAM_BUCKET}/*"]),
    ]


def rendered(made: dict[str, Any]) -> str:
    """Return a policy as the table of the docs."""
    rows = [
        (
            service,
            ", ".join(action.partition(":")[2] for action in actions),
            ", ".join(f"`{arn}`" for arn in each["Resource"]),
            ", ".join(f"`{key}`" for keys in each.get("Condition", {}).values() for key in keys),
        )
        for each in made["Statement"]
        for service, actions in groupby(each["Action"], key=lambda action: action.partition(":")[0])
    ]
    return table(("service", "actions", "on", "with a condition on"), rows)


def main() -> int:
    """Print the policy for the stack that the arguments name; return the exit status."""
    parser = argparse.ArgumentParser(prog="tools.deployer", description=__doc__, allow_abbrev=False)
    for name, default in vars(Target()).items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, default=default, help=f"{HELP[name]}; {default} if not given")
    target = Target(**vars(parser.parse_args()))
    prefix, _, environment = target.account.rpartition("/")
    typed = {"SecretPrefix": prefix, "Environment": environment, "RolePath": target.role_path}
    for name, value in (typed | {"PermissionsBoundaryArn": target.boundary, "KmsKeyArn": target.key}).items():
        if not is_accepted(name, value):
            parser.error(f"{name} is {value!r}: it {parameter(name)['ConstraintDescription']}")
    print(json.dumps(policy(target, required(resources())), indent=2))  # noqa: T201  what the command is for
    return 0


if __name__ == "__main__":
    sys.exit(main())

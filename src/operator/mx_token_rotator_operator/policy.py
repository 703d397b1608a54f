"""The written-out IAM policy of an application that reads tokens."""

from collections.abc import Sequence
from typing import Any


def reader_policy(  # noqa: PLR0913  the parts of its ARNs
    account: str, names: Sequence[str], region: str, account_id: str, kms_key: str | None, *, partition: str = "aws"
) -> dict[str, Any]:
    """Return the IAM policy of an application that reads tokens and may report them as rejected.

    `account` is "SecretPrefix/Environment", `account_id` that of AWS, `kms_key` the ARN of a customer managed key.
    """
    sources = [f"{account}/tokens/{name}" for name in names]
    # Secrets Manager adds a hyphen and six characters to the name; `*` would also match longer names.
    arns = [f"arn:{partition}:secretsmanager:{region}:{account_id}:secret:{each}-??????" for each in sources]
    secrets, source = (arns, sources) if len(names) > 1 else (arns[0], sources[0])
    event = {"events:source": source, "events:detail-type": "Access Token Rejected"}
    read = {"Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], "Resource": secrets}
    report = {
        "Action": "events:PutEvents",
        "Resource": f"arn:{partition}:events:{region}:{account_id}:event-bus/default",
        # A call puts a batch of events: every one must be such a report. ForAllValues is also true of a missing key.
        "Condition": {"ForAllValues:StringEquals": event, "Null": dict.fromkeys(event, "false")},
    }
    via = f"secretsmanager.{region}.amazonaws.com{'.cn' * (partition == 'aws-cn')}"
    condition = {"StringEquals": {"kms:ViaService": via}, "StringLike": {"kms:EncryptionContext:SecretARN": secrets}}
    decrypt = {"Action": "kms:Decrypt", "Resource": kms_key, "Condition": condition}
    statements: dict[str, Any] = {"ReadToken": read, "ReportTokenRejected": report, "DecryptToken": kms_key and decrypt}
    written = [{"Sid": sid, "Effect": "Allow", **statement} for sid, statement in statements.items() if statement]
    return {"Version": "2012-10-17", "Statement": written}

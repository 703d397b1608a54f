"""The permissions that AWS requires for each call of the function, against the policies of the function's role.

No emulator and no policy evaluator knows which permissions a call needs besides its own action. The API reference says
it in a paragraph, "Required permissions", which botocore's service model contains.
"""

import ast
import re
from typing import TYPE_CHECKING

import botocore.session
import pytest

from tests.project.test_docs import rows
from tools.local.aws import PROJECT, REGION
from tools.local.iam import Request, decide
from tools.local.permissions import KEY, WEB, WEBSITE, Permissions, without_suffix

if TYPE_CHECKING:
    from botocore.model import ServiceModel

SOURCE = PROJECT / "src" / "function" / "mx_token_rotator" / "secrets_manager.py"
TOKENS = (f"tokens/{WEBSITE}", f"tokens/{WEB}")
REFRESH_TOKENS = (f"refresh-tokens/{WEBSITE}",)


CALLS = {
    "get_secret_value": ("credentials", *TOKENS, *REFRESH_TOKENS),
    "describe_secret": ("credentials",),
    "update_secret_version_stage": ("credentials",),
    "create_secret": TOKENS + REFRESH_TOKENS,
    "put_secret_value": TOKENS + REFRESH_TOKENS,
    "update_secret": TOKENS + REFRESH_TOKENS,
}
"""Each operation that secrets_manager.py calls, and the secrets for which it does so."""

ALWAYS, KMS_KEY = "always", "a KMS key"
CONDITIONS = {
    "Required permissions:": ALWAYS,
    "If the secret is encrypted using a customer-managed key": KMS_KEY,
    "To encrypt the secret with a KMS key other than": KMS_KEY,
    "If you use a customer managed key": KMS_KEY,
    "If you change the KMS key and you don't have": KMS_KEY,
    "If you include tags in the secret": "Tags",
    "To add replica Regions": "AddReplicaRegions",
    "To create a cross-account replica secret": "AddReplicaRegions",
}
"""How the sentences with permissions begin, and the argument with which they apply, or when else."""
UNDOCUMENTED = {"put_secret_value": {"kms:GenerateDataKey", "kms:Decrypt"}}
"""With a key, a new version needs a data key, and the value of an existing one is decrypted and compared.

See "Secret encryption and decryption" in the user guide.
"""


@pytest.fixture(scope="module")
def model() -> "ServiceModel":
    """Load botocore's model of Secrets Manager."""
    return botocore.session.get_session().get_service_model("secretsmanager")


@pytest.fixture(scope="module", params=[None, KEY], ids=["AWS managed key", "key of one's own"])
def key(request: pytest.FixtureRequest) -> str | None:
    """Return the parameter KmsKeyArn."""
    parameter: str | None = request.param
    return parameter


@pytest.fixture(scope="module")
def permissions(key: str | None) -> Permissions:
    """Translate the template with this key."""
    return Permissions({"KeepRefreshToken": "true"} | ({"KmsKeyArn": key} if key else {}))


def sentences(model: "ServiceModel", operation: str) -> dict[str, set[str]]:
    """Return the sentences of the API reference that name the permissions for an operation, with these permissions."""
    documentation = model.operation_model(operation.title().replace("_", "")).documentation
    text = re.sub(r"<[^>]+>", "", "Required" + documentation.partition("<b>Required")[2])
    split = [sentence.strip() for sentence in re.split(r"\.\s", text)]
    found = {sentence: set(re.findall(r"\b(?:secretsmanager|kms):\w+", sentence)) for sentence in split}
    return {sentence: actions for sentence, actions in found.items() if actions}


def condition(sentence: str) -> str | None:
    """Return when a sentence applies; None if it is not one of those above."""
    return next((when for beginning, when in CONDITIONS.items() if sentence.startswith(beginning)), None)


def required(model: "ServiceModel", operation: str, key: str | None) -> set[str]:
    """Return the actions that AWS requires for an operation with every argument that is in the code."""
    applying = {ALWAYS} | words_in_the_code() | ({KMS_KEY} if key else set())
    documented = [
        actions for sentence, actions in sentences(model, operation).items() if condition(sentence) in applying
    ]
    return set().union(*documented, UNDOCUMENTED.get(operation, set()) if key else set())


def words_in_the_code() -> set[str]:
    """Return every text and every name of an argument in secrets_manager.py."""
    nodes = list(ast.walk(ast.parse(SOURCE.read_text())))
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return texts | {str(node.arg) for node in nodes if isinstance(node, ast.keyword)}


def calls_in_the_code() -> set[str]:
    """Find the operations in `_client.OPERATION(...)` and `_call("OPERATION", ...)`."""
    calls = [
        node
        for node in ast.walk(ast.parse(SOURCE.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    through_call = {ast.literal_eval(each.args[0]) for each in calls if ast.unparse(each.func) == "self._call"}
    return through_call | {
        each.func.attr
        for each in calls
        if isinstance(each.func, ast.Attribute) and ast.unparse(each.func.value).endswith("_client")
    }


def test_each_operation_of_the_code_is_in_the_table() -> None:
    """A new one gets its permissions checked."""
    assert calls_in_the_code() == CALLS.keys()


def test_no_other_module_of_the_function_calls_secrets_manager() -> None:
    """The handler only makes the client."""
    modules = [path for path in SOURCE.parent.glob("*.py") if path != SOURCE]
    operations = re.compile(rf"\b({'|'.join(CALLS)})\b")

    assert [path.name for path in modules if operations.search(path.read_text())] == []


def test_each_sentence_about_permissions_is_understood(model: "ServiceModel") -> None:
    """A release of botocore that says something new is read by a person."""
    said = [sentence for operation in CALLS for sentence in sentences(model, operation)]

    assert [sentence for sentence in said if condition(sentence) is None] == []


@pytest.mark.parametrize("operation", CALLS)
def test_the_functions_role_has_the_permissions_that_aws_requires_for_a_call(
    model: "ServiceModel", permissions: Permissions, key: str | None, operation: str
) -> None:
    """For each secret for which it is called, also before that secret exists, and for the secret's key."""
    asked = [
        request
        for action in sorted(required(model, operation, key))
        for name in CALLS[operation]
        for request in requests(permissions, action, name)
    ]
    answers = decide((permissions.callers["the function"], request) for request in asked)

    assert [
        (request.action, request.resource.arn) for request, allowed in zip(asked, answers, strict=True) if not allowed
    ] == []


def requests(permissions: Permissions, action: str, name: str) -> list[Request]:
    """Return the requests that AWS decides on when a call needs an action for a secret."""
    secret = permissions.resources[name]
    if action.startswith("kms:"):
        context = {
            "kms:EncryptionContext:SecretARN": secret.arn,
            "kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com",
        }
        return [Request(action=action, resource=permissions.resources["key"], context=context)]
    context = {"secretsmanager:VersionStage": "REJECTED"} if action.endswith(":UpdateSecretVersionStage") else {}
    # The credentials exist, or there is nothing to do.
    resources = [secret] if name == "credentials" else [secret, without_suffix(secret)]
    return [Request(action=action, resource=resource, context=context) for resource in resources]


def test_the_docs_ask_for_the_rights_with_both_keys_that_changing_a_key_needs(model: "ServiceModel") -> None:
    """The new key's are those of UpdateSecret; the old one decrypts the versions for it (its user guide)."""
    (_, _, old, new), *_ = rows("who changes what")
    needed = {action for action in required(model, "update_secret", KEY) if action.startswith("kms:")}

    assert (set(re.findall(r"kms:\w+", old)), set(re.findall(r"kms:\w+", new))) == ({"kms:Decrypt"}, needed)

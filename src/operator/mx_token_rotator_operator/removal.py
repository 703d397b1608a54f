"""Token secrets that no stack has any more."""

from collections.abc import Iterable

from mx_token_rotator_operator.stack import DeployedStack, client_names

TAG = "mx-token-rotator:account"
KINDS = ("tokens", "refresh-tokens")


def names_in_use(stack: DeployedStack, account: str) -> set[str]:
    """Return the names of the client IDs of every stack that serves this account in the same AWS account and Region."""
    pages = stack.session.client("lambda").get_paginator("list_functions").paginate()
    functions = [each.get("Environment", {}).get("Variables", {}) for page in pages for each in page["Functions"]]
    return {name for each in functions if each.get("ACCOUNT") == account for name in client_names(each["CLIENT_IDS"])}


def names_with_secrets(stack: DeployedStack, account: str) -> set[str]:
    """Return the names of the client IDs that have a secret with this account's tag."""
    pages = stack.secrets_manager.get_paginator("list_secrets").paginate(Filters=[{"Key": "tag-key", "Values": [TAG]}])
    secrets = [secret for page in pages for secret in page["SecretList"]]
    tagged = [each["Name"] for each in secrets if {"Key": TAG, "Value": account} in each["Tags"]]
    beginnings = tuple(f"{account}/{kind}/" for kind in KINDS)
    return {name.rpartition("/")[2] for name in tagged if name.startswith(beginnings)}


def removable(stack: DeployedStack, account: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the secrets of these client IDs that can be deleted here, each with the Regions of its replicas."""
    client, here, found = stack.secrets_manager, stack.session.region_name, {}
    for secret in (f"{account}/{kind}/{name}" for name in sorted(names) for kind in KINDS):
        try:
            described = client.describe_secret(SecretId=secret)
        except client.exceptions.ResourceNotFoundException:
            continue
        if described.get("PrimaryRegion", here) == here and "DeletedDate" not in described:
            found[secret] = [each["Region"] for each in described.get("ReplicationStatus", [])]
    return found


def remove(stack: DeployedStack, secret: str, replicas: list[str]) -> str:
    """Delete a secret after its replicas, and return the day on which it will be gone."""
    client = stack.secrets_manager
    if replicas:  # AWS refuses to delete a secret that has any
        client.remove_regions_from_replication(SecretId=secret, RemoveReplicaRegions=replicas)
    return str(client.delete_secret(SecretId=secret, RecoveryWindowInDays=7)["DeletionDate"].date())

"""Secrets that no stack has any more."""

from functools import partial

from mx_token_rotator_operator.stack import DeployedStack, client_names

TAG = "mx-token-rotator:account"


def names_in_use(stack: DeployedStack, account: str) -> set[str]:
    """Return the names of the client IDs of every stack that serves this account in the same AWS account and Region."""
    return {name for each in stack.rotators(account).values() for name in client_names(each["CLIENT_IDS"])}


def orphans(stack: DeployedStack, account: str) -> dict[str, str]:
    """Return the secrets with this account's tag whose client ID no stack has any more, each with its name."""
    # A replica is none: the stack of its own Region may still have the client ID.
    filters, here = [{"Key": "tag-key", "Values": [TAG]}], stack.session.region_name
    used, found = names_in_use(stack, account), {}
    for each in stack.call("secretsmanager", "list_secrets", Filters=filters)["SecretList"]:
        of, _, name = each["Name"].rpartition("/")
        is_own = {"Key": TAG, "Value": account} in each["Tags"] and each.get("PrimaryRegion", here) == here
        if is_own and of in {f"{account}/tokens", f"{account}/refresh-tokens"} and name not in used:
            found[each["Name"]] = name
    return found


def remove(stack: DeployedStack, secret: str, regions: list[str]) -> str:
    """Delete a secret after its replicas in these Regions, and return the day on which it will be gone."""
    call = partial(stack.call, "secretsmanager", SecretId=secret)
    if regions:  # AWS refuses to delete a secret that has any
        call("remove_regions_from_replication", RemoveReplicaRegions=regions)
    return str(call("delete_secret", RecoveryWindowInDays=7)["DeletionDate"].date())

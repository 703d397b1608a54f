"""The schedule of a deployed stack, which takes a minute to be seen."""

from local.aws import LocalAws
from local.mx import MovieXchangeStandIn
from local.stack import UPDATER, WEBSITE, Stack, eventually


def test_a_schedule_fires_by_itself(aws: LocalAws, mx: MovieXchangeStandIn) -> None:
    """Nobody asks, and each token is looked at."""
    hosts = {"AuthUrl": mx.url, "ApiUrl": mx.url}
    stack = Stack(aws, hosts | {"CheckEvery": "'rate(1 minute)'", "CheckWindowMinutes": "0"}, name="scheduled")
    stack.build()
    stack.deploy()
    stack.fill_credentials(mx.credentials())

    assert eventually(lambda: {each["client_id"] for each in stack.outcomes("fresh")} == {WEBSITE, UPDATER}, within=100)

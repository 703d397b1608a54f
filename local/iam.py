"""AWS IAM on a laptop: requests are decided by an evaluator of policies that is not ours.

MiniStack enforces no IAM. Here iam-simulate is asked, which runs in Node.js: see `iam.cjs`.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.aws import HOUSE, CommandFailed

Context = Mapping[str, str | list[str]]
Policy = Mapping[str, Any]


class NotDecided(Exception):  # noqa: N818  the name says what is wrong
    """The evaluator knows no such action, resource or condition key, or refuses a policy."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks: an ARN or a service, its identity policies, and what AWS tells of it with each request."""

    arn: str
    policies: tuple[Policy, ...] = ()
    context: Context = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """What is asked for: an ARN, or `*` for actions on no resource; the account that owns it; its own policy."""

    arn: str
    account: str
    policy: Policy | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action on one resource, and what AWS tells of the request itself."""

    action: str
    resource: Resource
    context: Context = field(default_factory=dict)


def decide(asked: Iterable[tuple[Principal, Request]]) -> list[bool]:
    """Tell for each request whether it is allowed. Raises NotDecided."""
    simulations = [_simulation(principal, request) for principal, request in asked]
    answers = _ask("decide", simulations)
    for simulation, answer in zip(simulations, answers, strict=True):
        if answer["trouble"] or answer["ignored"]:
            raise NotDecided(f"{answer} of {simulation['request']}")
    return [answer["decision"] == "Allowed" for answer in answers]


def everything_allowed(
    principal: Principal, resources: Iterable[Resource], services: Sequence[str], context: Context
) -> set[tuple[str, str]]:
    """Give each action of these services, with a resource's ARN, that is allowed.

    A context is told where AWS tells it, and left out elsewhere; so are resources that an action is not for.
    """
    requests = [
        Request(action=action, resource=resource, context=context)
        for actions in _ask("actions", services)
        for action in actions
        for resource in resources
    ]
    answers = _ask("decide", [_simulation(principal, request) for request in requests])
    return {
        (request.action, request.resource.arn)
        for request, answer in zip(requests, answers, strict=True)
        if answer["decision"] == "Allowed"
    }


def _simulation(principal: Principal, request: Request) -> dict[str, Any]:
    return {
        "request": {
            "principal": principal.arn,
            "action": request.action,
            "resource": {"resource": request.resource.arn, "accountId": request.resource.account},
            "contextVariables": {**principal.context, **request.context},
        },
        "identityPolicies": [{"name": str(at), "policy": policy} for at, policy in enumerate(principal.policies)],
        "resourcePolicy": request.resource.policy,
        "serviceControlPolicies": [],
        "resourceControlPolicies": [],
    }


def _ask(what: str, of: Sequence[object]) -> list[Any]:
    """Run Node.js with the evaluator. Raises CommandFailed."""
    done = subprocess.run(  # noqa: S603  our own command
        [str(Path(sys.executable).parent / "node"), str(HOUSE / "local" / "iam.cjs"), what],
        input=json.dumps(of),
        env={"NODE_PATH": str(HOUSE / ".node" / "node_modules")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"iam.cjs {what} ended with {done.returncode}:\n{done.stderr}")
    answers: list[Any] = json.loads(done.stdout)
    return answers

"""Access decisions of AWS IAM, made on this machine by an independent policy evaluator.

MiniStack does not enforce IAM. The evaluator is iam-simulate, which runs in Node.js: see `iam.cjs`.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.local.aws import PROJECT, CommandFailed

Context = Mapping[str, str | list[str]]
Policy = Mapping[str, Any]
FULL_ACCESS: Policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
"""What AWS attaches to each account as its first service control policy; the evaluator adds the one for resources."""


class EvaluationError(Exception):
    """The evaluator does not know an action, resource or condition key, or cannot read a policy."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A caller: an ARN or a service, its identity policies, and the context that AWS adds to each of its requests.

    The control policies are the service control policies of its account, besides the one that allows everything.
    """

    arn: str
    policies: tuple[Policy, ...] = ()
    context: Context = field(default_factory=dict)
    control_policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Resource:
    """The resource of a request: its ARN (`*` for actions without a resource), the owning account, its own policy.

    The control policies are the resource control policies of the owning account.
    """

    arn: str
    account: str
    policy: Policy | None = None
    control_policies: tuple[Policy, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action on one resource, with the context of the request itself."""

    action: str
    resource: Resource
    context: Context = field(default_factory=dict)


def decide(requests: Iterable[tuple[Principal, Request]]) -> list[bool]:
    """Return for each request whether it is allowed. Raises EvaluationError."""
    simulations = [_simulation(principal, request) for principal, request in requests]
    answers = _evaluate("decide", simulations)
    for simulation, answer in zip(simulations, answers, strict=True):
        if answer["error"] or answer["ignored"]:
            raise EvaluationError(f"{answer} for {simulation['request']}")
    return [answer["decision"] == "Allowed" for answer in answers]


def kinds(actions: Iterable[str]) -> dict[str, str]:
    """Return of each action whether AWS decides on it "with a resource", "without a resource", or it is "unknown"."""
    asked = list(actions)
    return dict(zip(asked, _evaluate("kinds", asked), strict=True))


def all_allowed(
    principal: Principal, resources: Iterable[Resource], services: Sequence[str], contexts: Iterable[Context]
) -> set[tuple[str, str]]:
    """Return each action of these services, with a resource's ARN, that is allowed in any of the contexts."""
    of_services = [action for actions in _evaluate("actions", services) for action in actions]
    return allowed(principal, resources, of_services, contexts)


def allowed(
    principal: Principal, resources: Iterable[Resource], actions: Iterable[str], contexts: Iterable[Context]
) -> set[tuple[str, str]]:
    """Return each of these actions, with a resource's ARN, that is allowed in any of the contexts.

    A context key that an action does not have is left out, and so are resources that the action does not apply to:
    those of services that it has nothing to do with are not even asked about, which takes most of the time.
    """
    asked = list(actions)
    requests = [
        Request(action=action, resource=resource, context=context)
        for action, services in zip(asked, _evaluate("services", asked), strict=True)
        for resource in resources
        if resource.arn == "*" or resource.arn.split(":")[2] in services
        for context in contexts
    ]
    answers = _evaluate("decide", [_simulation(principal, request) for request in requests])
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
        "identityPolicies": _named(principal.policies),
        "resourcePolicy": request.resource.policy,
        "serviceControlPolicies": _of_account(principal.control_policies, FULL_ACCESS),
        "resourceControlPolicies": _of_account(request.resource.control_policies),
    }


def _of_account(policies: tuple[Policy, ...], *defaults: Policy) -> list[dict[str, Any]]:
    return [{"orgIdentifier": "account", "policies": _named((*defaults, *policies))}] if policies else []


def _named(policies: tuple[Policy, ...]) -> list[dict[str, Any]]:
    return [{"name": str(at), "policy": policy} for at, policy in enumerate(policies)]


def _evaluate(command: str, arguments: Sequence[object]) -> list[Any]:
    """Run `iam.cjs` in Node.js. Raises CommandFailed."""
    done = subprocess.run(  # noqa: S603  our own command
        [str(Path(sys.executable).parent / "node"), str(PROJECT / "tools" / "local" / "iam.cjs"), command],
        input=json.dumps(arguments),
        env={"NODE_PATH": str(PROJECT / ".node" / "node_modules")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"iam.cjs {command} ended with {done.returncode}:\n{done.stderr}")
    answers: list[Any] = json.loads(done.stdout)
    return answers

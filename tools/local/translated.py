"""What CloudFormation makes of template.yaml and the stack's parameters, worked out without an AWS account."""

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tools.local.aws import PROJECT, REGION

ACCOUNT_ID = "000000000000"
STACK_NAME = "mx-token-rotator"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT_ID}:stack/{STACK_NAME}/1234abcd-12ab-34cd-56ef",
    "AWS::StackName": STACK_NAME,
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = {"Ref": "AWS::NoValue"}


def translated(template: dict[str, Any], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the plain CloudFormation template that SAM's transform makes for these parameters.

    SAM's resources are replaced by the resources that they stand for; functions and conditions mostly remain.
    """
    request = {"template": template, "parameters": PSEUDO_PARAMETERS | dict(parameters)}
    plain: dict[str, Any] = json.loads(_translate(json.dumps(request)))
    return plain


@cache
def _translate(request: str) -> str:
    """Run `translate_child.py`, which takes a second, once for the same request."""
    done = subprocess.run(  # noqa: S603  our own command
        [str(PROJECT / ".venv-sam" / "bin" / "python"), str(Path(__file__).parent / "translate_child.py")],
        input=request,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


class Resolver:
    """Evaluates the functions and conditions of a translated template."""

    def __init__(self, template: dict[str, Any], parameters: Mapping[str, str], resources: Mapping[str, str]) -> None:
        """Resolve for these parameters and the defaults of the others.

        `resources` has what `Ref` and `Fn::GetAtt` return, by `LogicalId` and `LogicalId.Attribute`.
        """
        self._conditions = template.get("Conditions", {})
        defaults = {name: each["Default"] for name, each in template["Parameters"].items() if "Default" in each}
        self._references = {**PSEUDO_PARAMETERS, **defaults, **parameters, **resources}

    def resolve(self, value: Any) -> Any:  # noqa: ANN401  a template is a tree of anything that JSON has
        """Return a value of the template without functions. Raises KeyError for what it does not know."""
        if isinstance(value, list):
            return [self.resolve(each) for each in value if self._chosen(each) != NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        return {key: self.resolve(each) for key, each in value.items() if self._chosen(each) != NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:  # noqa: ANN401  the same
        functions: dict[str, Callable[[], Any]] = {
            "Ref": lambda: self._references[argument],
            "Fn::GetAtt": lambda: self._references[argument if isinstance(argument, str) else ".".join(argument)],
            "Fn::Sub": lambda: self._substitute(*([argument] if isinstance(argument, str) else argument)),
            "Fn::Join": lambda: argument[0].join(self.resolve(argument[1])),
            "Fn::Split": lambda: self.resolve(argument[1]).split(argument[0]),
            "Fn::Select": lambda: self.resolve(argument[1])[int(argument[0])],
            "Fn::If": lambda: self.resolve(self._chosen({name: argument})),
        }
        return functions[name]()

    def _substitute(self, text: str, variables: Mapping[str, Any] | None = None) -> str:
        values: dict[str, str] = {
            **self._references,
            **{name: self.resolve(each) for name, each in (variables or {}).items()},
        }
        filled = re.sub(r"\$\{([^!}]+)\}", lambda found: values[found[1].strip()], text)
        return filled.replace("${!", "${")

    def _chosen(self, value: Any) -> Any:  # noqa: ANN401  the same
        """Return the branch of an `Fn::If` that counts, and any other value as it stands."""
        while isinstance(value, dict) and value.keys() == {"Fn::If"}:
            condition, if_true, if_false = value["Fn::If"]
            value = if_true if self.holds(condition) else if_false
        return value

    def holds(self, condition: Any) -> bool:  # noqa: ANN401  the same
        """Return whether a condition, or the one with this name, is true. Raises KeyError for an unknown one."""
        if isinstance(condition, str):
            return self.holds(self._conditions[condition])
        ((name, argument),) = condition.items()
        functions: dict[str, Callable[[], bool]] = {
            "Condition": lambda: self.holds(argument),
            "Fn::Equals": lambda: self.resolve(argument[0]) == self.resolve(argument[1]),
            "Fn::Not": lambda: not self.holds(argument[0]),
            "Fn::And": lambda: all(self.holds(each) for each in argument),
            "Fn::Or": lambda: any(self.holds(each) for each in argument),
        }
        return functions[name]()

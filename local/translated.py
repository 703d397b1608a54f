"""The plain CloudFormation template that the stack's parameters make of template.yaml."""

import json
import subprocess
from pathlib import Path
from typing import Any

from local.aws import HOUSE, REGION

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "000000000000",
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:000000000000:stack/mx-token-rotator/1234abcd-12ab-34cd-56ef",
    "AWS::StackName": "mx-token-rotator",
    "AWS::URLSuffix": "amazonaws.com",
}


def translated(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """Translate a template as CloudFormation's two transforms do, for these parameters and the defaults of the others.

    Loops are written out, parameters resolved, and SAM's resources replaced by what they stand for.
    """
    done = subprocess.run(  # noqa: S603  our own command
        [str(HOUSE / ".venv-sam" / "bin" / "python"), str(Path(__file__).parent / "translate_child.py")],
        input=json.dumps({"template": template, "parameters": PSEUDO_PARAMETERS | parameters}),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    plain: dict[str, Any] = json.loads(done.stdout)
    return plain

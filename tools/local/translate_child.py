"""Translates a template as `sam validate` does, with the translator that AWS uses.

It runs in the SAM CLI's own environment. Standard input is a JSON object with the template and its parameters;
standard output is the plain template in JSON.
"""

import json
import sys

from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

if __name__ == "__main__":
    request = json.load(sys.stdin)
    translation = SamTemplateValidator(
        request["template"],
        managed_policy_loader=None,  # the template names no AWS managed policy
        region=request["parameters"]["AWS::Region"],
        parameter_overrides=request["parameters"],
    )
    json.dump(yaml_parse(translation.get_translated_template_if_valid()), sys.stdout)

"""Translates a template as `sam validate` does, which AWS's own translator serves.

The SAM CLI's own environment runs this file. Standard input is a JSON object with the template and its parameters;
standard output is the plain template, in JSON.
"""

import json
import sys

from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

if __name__ == "__main__":
    asked = json.load(sys.stdin)
    translation = SamTemplateValidator(
        asked["template"],
        managed_policy_loader=None,  # the template names no managed policy
        region=asked["parameters"]["AWS::Region"],
        parameter_overrides=asked["parameters"],
        language_extensions_enabled=True,
    )
    json.dump(yaml_parse(translation.get_translated_template_if_valid()), sys.stdout)

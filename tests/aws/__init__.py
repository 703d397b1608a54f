"""The contract with AWS: what would overturn the design, and a walk through a deployed stack.

Without a flag it runs on MiniStack; `make test-aws` runs it on a real account.
"""

import pytest

from tools.contract.account import Account

NO_IAM = "MiniStack enforces neither IAM nor key policies: each call was made there, and none can be denied"


def needs_iam(account: Account) -> None:
    """End a test whose calls were all made on an emulator that decides nothing."""
    if not account.is_real:
        pytest.skip(NO_IAM)

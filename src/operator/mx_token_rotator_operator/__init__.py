"""The command mx-token-rotator: look at a deployed stack, and act on it."""

__version__ = "0.2.0"

"""Keeps movieXchange access tokens fresh in AWS Secrets Manager; begin to read in `handler`, then `refresh`."""

__version__ = "0.2.0"

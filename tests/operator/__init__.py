"""Tests of the command mx-token-rotator."""

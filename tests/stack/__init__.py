"""Tests of the deployed stack, its template and its permissions."""

"""Mutation tests: mutmut changes the function in one place at a time, and a test has to fail.

explained.toml has the mutants that no test has to kill, each with its reason
"""

"""Tests of the project as a whole: tools, docs, package, dependencies."""

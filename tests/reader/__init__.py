"""Tests of the package for applications, moviexchange_auth, and of the page that shows how to read a token."""

"""The tests: a file for each room, and for the house."""

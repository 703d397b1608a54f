"""AWS and movieXchange on one machine, for the demo and the tests."""

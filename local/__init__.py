"""AWS and movieXchange on a laptop."""

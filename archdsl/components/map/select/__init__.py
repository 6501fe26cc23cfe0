"""Some of the tokens of a map."""

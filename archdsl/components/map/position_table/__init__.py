"""A learned vector for each position."""

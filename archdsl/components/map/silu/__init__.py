"""The sigmoid linear unit."""

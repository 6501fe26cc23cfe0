"""The mean over all positions."""

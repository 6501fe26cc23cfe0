"""Attention of a bottleneck among all positions."""

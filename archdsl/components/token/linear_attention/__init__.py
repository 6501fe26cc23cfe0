"""Attention that is linear in the number of positions."""

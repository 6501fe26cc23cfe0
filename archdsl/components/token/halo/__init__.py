"""Attention of blocks to their surroundings."""

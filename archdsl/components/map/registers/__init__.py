"""Learned tokens without a meaning of their own."""

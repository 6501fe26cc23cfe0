"""Attention by the cosine of queries and keys."""

"""Attention with narrow queries and keys, to a reduced map."""

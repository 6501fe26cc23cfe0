"""Attention of the class token to all tokens."""

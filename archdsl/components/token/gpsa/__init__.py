"""Attention by content and by position, with a gate between them."""

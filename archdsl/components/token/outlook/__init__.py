"""Attention that places are told by the position in their middle."""

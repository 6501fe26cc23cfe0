"""Convolutions of two orders, gated."""

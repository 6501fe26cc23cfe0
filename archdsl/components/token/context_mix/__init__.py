"""Convolutions whose kernels come from a context."""

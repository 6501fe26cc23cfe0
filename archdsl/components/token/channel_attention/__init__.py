"""Attention among channels."""

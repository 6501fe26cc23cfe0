"""Attention inside windows."""

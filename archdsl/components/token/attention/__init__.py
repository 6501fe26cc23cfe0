"""Attention among all positions."""

"""Squeeze and excitation."""

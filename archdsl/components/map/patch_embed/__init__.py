"""Patches of an image or a map, each made one position."""

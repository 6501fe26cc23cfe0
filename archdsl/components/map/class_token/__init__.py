"""A learned token for the whole image."""

"""A convolution."""

"""A depthwise convolution."""

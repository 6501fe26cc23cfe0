"""One learned factor a channel."""

"""One learned factor and one learned shift a channel."""

"""Layer norm over the channels."""

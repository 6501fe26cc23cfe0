"""A gated linear unit whose gate sees the neighbours."""

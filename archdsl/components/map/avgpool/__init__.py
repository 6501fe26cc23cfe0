"""Average pooling."""

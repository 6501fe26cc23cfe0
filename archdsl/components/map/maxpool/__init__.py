"""Maximum pooling."""

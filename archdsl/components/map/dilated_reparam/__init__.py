"""A large depthwise kernel with small dilated ones beside it."""

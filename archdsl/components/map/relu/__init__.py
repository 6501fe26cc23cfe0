"""The rectified linear unit."""

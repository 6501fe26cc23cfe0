"""The Gaussian error linear unit."""

"""Global response norm."""

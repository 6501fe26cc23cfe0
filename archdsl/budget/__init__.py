"""What a network costs: in closed form, and as measured on its module."""

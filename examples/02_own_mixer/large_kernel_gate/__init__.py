"""A token mixer of a package of its own."""

"""A short training: a function of the spec, the data and a seed."""

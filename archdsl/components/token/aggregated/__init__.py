"""Aggregated attention: the neighbours of a position and a pooled map in one softmax."""

"""Channels mixed as waves of an amplitude and a phase."""

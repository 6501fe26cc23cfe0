"""Images to train on: folders, arrays, and two sets that packages ship. Nothing is downloaded."""

"""Two linear maps with an activation between."""

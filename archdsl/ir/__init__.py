"""The meaning of a spec: names resolved, shapes propagated, cost in closed form."""

"""What a component is before torch: its fields, its shape rule, its weights, its cost."""

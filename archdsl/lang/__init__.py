"""The language as text: grammar, syntax tree, formatter, and the YAML twin."""

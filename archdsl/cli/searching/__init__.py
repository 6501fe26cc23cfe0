"""The verbs inside `archdsl search`, one module each, imported when it is called."""

"""What is known of a spec as tables and lists, for the terminal, a paper and a notebook. No torch here."""

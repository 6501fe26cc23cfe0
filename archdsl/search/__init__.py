"""From a space to better specs under a hard budget: an Optuna study in a folder."""

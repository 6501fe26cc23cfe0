"""What a study maximizes or minimizes, one module an objective."""

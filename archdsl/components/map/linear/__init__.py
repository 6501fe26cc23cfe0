"""A linear map of the channels."""

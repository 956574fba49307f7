"""One module per step; the registry finds them."""

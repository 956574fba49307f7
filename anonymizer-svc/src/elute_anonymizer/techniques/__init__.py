"""One module per technique; the registry finds them."""

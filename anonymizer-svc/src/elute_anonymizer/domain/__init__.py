"""Keys, keyed functions over columns, and the technique contract."""

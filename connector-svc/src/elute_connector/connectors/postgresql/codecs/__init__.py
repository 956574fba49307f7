"""The typed lane: how touched columns are read and written, vectorised."""

"""PostgreSQL, both ends."""

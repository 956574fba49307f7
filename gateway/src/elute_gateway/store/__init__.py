"""The gateway's own store: SQLite on one machine, PostgreSQL in a cluster, the same code over both."""

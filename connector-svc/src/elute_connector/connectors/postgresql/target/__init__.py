"""PostgreSQL as a target: everything but the loading of rows."""

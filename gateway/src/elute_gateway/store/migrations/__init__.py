"""The store's migrations, run by Alembic from inside the package."""

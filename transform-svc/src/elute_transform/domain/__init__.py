"""What a step is, what it works on, and the expressions that it may be given."""

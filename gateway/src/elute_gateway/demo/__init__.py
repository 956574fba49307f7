"""The demo: a shop with invented people, its scrubbed copy, and a look at both."""

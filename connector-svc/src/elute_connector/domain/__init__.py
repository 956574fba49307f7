"""The nouns of the connector: what a store holds and how its values travel."""

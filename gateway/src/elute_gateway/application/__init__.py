"""What the gateway does with its nouns: reads documents, plans pipelines."""

"""The nouns of the control plane: pipelines, patterns, policies and plans."""

"""Serves ConnectorService and the Extract stage, and maps the wire's messages to the domain's nouns."""

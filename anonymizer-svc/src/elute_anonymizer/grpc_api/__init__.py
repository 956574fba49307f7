"""Serves AnonymizerService and the anonymize stage, and maps the wire's messages to the domain's nouns."""

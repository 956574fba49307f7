"""The public REST API, `/v1`: what a request may say, what it needs, and how it is answered."""

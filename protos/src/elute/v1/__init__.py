"""Version 1 of the wire contract: generated from protos/elute/v1 by `make protos`."""

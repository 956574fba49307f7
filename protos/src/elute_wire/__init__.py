"""What both ends of an Elute wire share: frames, errors, servers, channels, telemetry, components.

Each concern is one module; import it from there. This package itself imports nothing, so that a domain
module may use `elute_wire.schema` without pulling gRPC in.
"""

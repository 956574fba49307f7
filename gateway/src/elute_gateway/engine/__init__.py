"""Durable execution: what survives the death of a gateway, behind one module."""

"""Policies over datasets, and what they are made from: the key ring's file, the pools, the registry."""

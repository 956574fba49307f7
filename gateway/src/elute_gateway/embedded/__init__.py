"""Servers that one machine starts for itself when nobody gives it one."""

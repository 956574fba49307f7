"""The other services, as the gateway calls them."""

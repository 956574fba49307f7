"""What the service does with connectors: leases of snapshots, one open store per connection."""

"""What orders' operations cost, and the whole way of a scan, on parcels short and long."""

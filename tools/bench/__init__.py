"""What each operation of loyalty costs: AWS calls, capacity units, bytes and processor time."""

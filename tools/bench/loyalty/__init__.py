"""What loyalty's operations cost, on a short and on a long history."""

"""What returns' operations cost, and a whole return, of orders that have seen few and many."""

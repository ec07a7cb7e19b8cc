"""What a start and a request cost in processor time, beside peers that do the same work.

`make bench-cold` and `make bench-warm`. Every measured process is fresh and has only its own
package on its path; the store answers at once, since the comparison is about us.
"""

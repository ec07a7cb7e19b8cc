"""What Tandem costs: what benchmarks count times AWS's prices. `make cost` writes docs/cost.md."""

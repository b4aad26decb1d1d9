"""The rounds of `benchmarks/faults.py`: what they start, what they break, what must hold after."""

"""``circuit_breaker``: a failing dependency is cut off, tried again and readmitted as declared."""

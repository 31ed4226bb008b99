"""Random plans: drawn whole by stateful models, then played on real services."""

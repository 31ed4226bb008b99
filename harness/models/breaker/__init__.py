"""A circuit breaker as all that its words allow: a set of states that each fact narrows."""

"""A small service with a rate limit, and its contract: what ``stormproof demo`` shows."""

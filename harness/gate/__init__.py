"""What a pipeline needs of a run: what is known to be broken, and how long it will still take."""

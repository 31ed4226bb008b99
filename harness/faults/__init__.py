"""Faults as values and pure deciders; who carries them out stands elsewhere."""

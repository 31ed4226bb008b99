"""Waits between the attempts of one call: which laws they may follow, and what a sample proves."""

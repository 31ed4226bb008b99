"""Stormproof: your service makes promises; Stormproof checks that they hold in a storm."""

"""The control plane: Toxiproxy's HTTP API. Sockets are in ``connection`` and ``server`` only."""

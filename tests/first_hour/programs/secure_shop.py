"""The demo's shop behind TLS: ``secure_shop.py PORT CERTIFICATE LIMITER``; each thread shakes hands."""

from __future__ import annotations

import socket
import ssl
import sys
from typing import Any

from harness.demo.shop import LIMITERS, Shop


class SecureShop(Shop):
    """Wraps each connection when its thread begins with it."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands, then serve."""
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, client_address)
        except OSError:
            return

    def shutdown_request(self, request: Any) -> None:
        """The wrapped socket is closed already."""
        if isinstance(request, socket.socket):
            request.close()


SecureShop.context.load_cert_chain(sys.argv[2])
SecureShop(int(sys.argv[1]), LIMITERS[sys.argv[3]]()).serve_forever()

"""Edge 1, what a runtime talks to: bytes, ports, protocols. Owns no meaning."""

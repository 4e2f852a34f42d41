"""The ledger: all meaning. No sockets in, no pixels out."""

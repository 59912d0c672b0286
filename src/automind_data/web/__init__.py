"""Asking web services politely: named faults, growing pauses, no token in any message."""

from automind_data.web.addresses import redacted
from automind_data.web.client import Body, Client
from automind_data.web.faults import Fault
from automind_data.web.patience import Patience

__all__ = ["Body", "Client", "Fault", "Patience", "redacted"]

"""The control interface under /sandbox/api/: JSON, from this machine only."""

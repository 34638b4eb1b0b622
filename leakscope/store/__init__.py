"""The session store: a small read-only client for Redis, and what a scan of its keys shows."""

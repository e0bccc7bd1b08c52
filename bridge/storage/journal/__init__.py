"""The journal: what the loop writes, and how it is read as an outbox."""

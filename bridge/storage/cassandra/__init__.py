"""The fleet's memory, in Cassandra: verdict cache and call log. No driver type leaves here."""

"""What people and dashboards ask of the clerk, and what it has been told."""

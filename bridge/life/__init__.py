"""How the daemon lives: its loop, what it looks after, what it says of itself."""

"""Models: verified, loaded, asked; and the first level of the verdict cache."""

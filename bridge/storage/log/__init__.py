"""The call log of the embedded default: the clerk's view of the journal's segments."""

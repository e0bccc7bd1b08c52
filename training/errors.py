"""What goes wrong in training, said in one line to whoever started it."""


class TrainingError(Exception):
    """Nothing can be trained or measured: the message says why and what to do."""

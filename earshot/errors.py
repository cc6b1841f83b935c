"""What the command line says when it cannot go on."""


class EarshotError(Exception):
    """Something a user can mend: one line naming the thing, the fault and the remedy."""

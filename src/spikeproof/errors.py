"""Errors that a user can act on: one line that names the culprit and the cure."""


class SpikeproofError(Exception):
    """Something that the user can put right; the message says what and how.

    The command line prints it as a single line and exits with status 2; from Python it is an
    ordinary exception.
    """


class InvalidRecording(SpikeproofError):
    """A recording (file or stream) is damaged, empty or does not fit the sensor."""


class InvalidModel(SpikeproofError):
    """A model or checkpoint cannot be used as it is."""


class InvalidThreat(SpikeproofError):
    """A threat model or budget makes no sense for the grid it is asked about."""


class Unrealisable(SpikeproofError):
    """No valid event stream has the requested cells (no legal time is left for an event)."""

"""File formats of event recordings, one file each; ``FORMATS`` lists them all."""

"""Attacks that change the intensities of one image within a norm ball."""

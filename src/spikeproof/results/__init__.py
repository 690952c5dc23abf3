"""What an audit found, as a file: ``results.json`` and the records it is made of.

Audits write it, reports read it, and neither knows the other.
"""

from spikeproof.results.read import FILE, inside, load
from spikeproof.results.records import SCHEMA, Attack, Audit, Proportion, Summary

__all__ = ["FILE", "SCHEMA", "Attack", "Audit", "Proportion", "Summary", "inside", "load"]

"""What an audit found, as a file: ``results.json``, rows, and the records they are made of.

Audits write it, reports read it, and neither knows the other.
"""

from spikeproof.results.read import FILE, inside, load
from spikeproof.results.records import SCHEMA, Attack, Audit, Proportion, Summary
from spikeproof.results.rows import RowFile, as_json, write_rows

__all__ = [
    "FILE",
    "SCHEMA",
    "Attack",
    "Audit",
    "Proportion",
    "RowFile",
    "Summary",
    "as_json",
    "inside",
    "load",
    "write_rows",
]

"""The text header of Prophesee's files, and the sensor it tells of.

A file begins with lines ``% keyword value``; its data begin after ``% end`` or with the first line
that does not start so ("RAW File Format" and "DAT File Format", https://docs.prophesee.ai). The
encoding is in ``format`` (``EVT3;height=720;width=1280``) or ``evt`` (``3.0``), the sensor's size
in ``format``, ``geometry`` (``1280x720``) or ``width`` and ``height``. Older files name only their
plug-in or the sensor's generation; OpenEB lists the sizes (hal_psee_plugins, raw_constants.h and
psee_raw_file_header.cpp).

Times are never made relative. faery stores times less the one in its header line ``t0``, which
its own reader adds again, and so does this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from spikeproof.events.formats import base
from spikeproof.events.formats.base import HEAD, Trouble

_LINE = re.compile(rb"% ([^\x00-\x08\x0a-\x0c\x0e-\x1f]*)\n")  # text: no control characters
_EVT = {"2.0": "EVT2", "2.1": "EVT21", "3.0": "EVT3"}
_PLUGIN = re.compile(r"hal_plugin_(gen31?|gen41?|imx636|genx320)_")
_SENSORS = {
    **dict.fromkeys(("3.0", "3.1", "gen3", "gen31"), (640, 480)),
    **dict.fromkeys(("4.0", "4.1", "4.2", "gen4", "gen41", "imx636"), (1280, 720)),
    **dict.fromkeys(("320.0", "320.1", "genx320"), (320, 320)),
}


class PropheseeHeader(NamedTuple):
    """Values by keyword (in lower case), those inside ``format`` likewise, the size in bytes."""

    fields: dict[str, str]
    options: dict[str, str]
    size: int

    @property
    def encoding(self) -> str | None:
        """``EVT2``, ``EVT21``, ``EVT3`` or whatever else it says; None if it says nothing."""
        form = self.fields.get("format", "").partition(";")[0]
        return form or _EVT.get(self.fields.get("evt", ""))

    @property
    def t0(self) -> int:
        """Time in µs that all times in the file lack."""
        return int(self.fields["t0"]) if re.fullmatch(r"\d{1,18}", self.fields.get("t0", "")) else 0


def parse(head: bytes) -> PropheseeHeader:
    """Read the header of a file that begins with ``head``; there may be no line at all."""
    fields: dict[str, str] = {}
    size = 0
    while line := _LINE.match(head, size):
        size = line.end()
        key, _, value = line[1].decode(errors="replace").strip().partition(" ")
        if key == "end":
            break
        fields[key.lower()] = value.strip()
    pairs = (option.partition("=") for option in fields.get("format", "").split(";")[1:])
    return PropheseeHeader(fields, {key.lower(): value for key, _, value in pairs}, size)


def read_header(file: BinaryIO) -> PropheseeHeader:
    """Read the header and leave the file where the data begin."""
    file.seek(0)
    header = parse(file.read(HEAD))
    file.seek(header.size)
    return header


def sensor(header: PropheseeHeader, trouble: Trouble) -> tuple[int | None, int | None]:
    """Give width and height in pixels, as far as the header tells; two sizes are trouble."""
    fields, options = header.fields, header.options
    said = (
        "{width}x{height}".format_map({"width": "", "height": "", **options}),
        fields.get("geometry", ""),
        "{width}x{height}".format_map({"width": "", "height": "", **fields}),
    )
    sizes = list(dict.fromkeys(size for size in said if re.fullmatch(r"\d{1,5}x\d{1,5}", size)))
    if len(sizes) > 1:
        trouble(
            f"the header gives the sensor two sizes, {' and '.join(sizes)}, of which the first "
            "would be taken; correct it"
        )
    if sizes:
        width, height = map(int, sizes[0].split("x"))
        return width, height
    plugin = _PLUGIN.match(fields.get("plugin_name", ""))
    generation = fields.get("sensor_generation", fields.get("generation", ""))
    return _SENSORS.get(plugin[1] if plugin else generation, (None, None))


def chunks(file: BinaryIO, size: int, trouble: Trouble) -> Iterator[bytes]:
    """Read whole words of ``size`` bytes, about ``PIECE`` at once; a cut tail is trouble."""
    rest = b""
    while data := file.read(base.PIECE * size):
        data = rest + data
        whole = len(data) - len(data) % size
        rest = data[whole:]
        yield data[:whole]
    if rest:
        trouble(
            f"the file is cut short: its last word, at byte {file.tell() - len(rest)}, has "
            f"{len(rest)} of {size} bytes; fetch the file again"
        )

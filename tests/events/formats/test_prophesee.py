from __future__ import annotations

import io

import pytest

from spikeproof.errors import InvalidRecording
from spikeproof.events.formats.prophesee import chunks, parse, read_header, sensor

from .codec import strict


def test_a_header_ends_at_its_end_line_or_where_lines_stop():
    header = parse(b"% evt 3.0\n% Date 2020-09-25 07:48:29\n% end\n% evt 2.0\n")
    assert header.fields == {"evt": "3.0", "date": "2020-09-25 07:48:29"}
    assert header.size == 43
    assert header.encoding == "EVT3"
    assert parse(b"% evt 2.0\n%\x00\x00\x80").size == 10
    assert parse(b"% evt 2.1\n% \x00\x80\n").size == 10, "control characters are data"
    assert parse(b"no header").encoding is None
    assert parse(b"").size == 0


def test_spaces_and_carriage_returns_are_no_part_of_a_value():
    assert parse(b"% evt 3.0 \r\n").encoding == "EVT3"


def test_format_goes_before_evt_and_has_options():
    header = parse(b"% evt 3.0\n% format EVT21;endianness=legacy;height=4;width=5\n")
    assert header.encoding == "EVT21"
    assert header.options == {"endianness": "legacy", "height": "4", "width": "5"}


def test_the_file_is_left_where_the_data_begin():
    file = io.BytesIO(b"% evt 2.0\n% end\nDATA")
    file.seek(3)
    read_header(file)
    assert file.read() == b"DATA"


@pytest.mark.parametrize(
    ("lines", "size"),
    [
        (b"% format EVT3;height=480;width=640\n", (640, 480)),
        (b"% geometry 1280x720\n", (1280, 720)),
        (b"% Width 304\n% Height 240\n", (304, 240)),
        (b"% plugin_name hal_plugin_gen3_fx3\n", (640, 480)),
        (b"% plugin_name hal_plugin_gen31_evk3\n", (640, 480)),
        (b"% plugin_name hal_plugin_gen41_evk3\n", (1280, 720)),
        (b"% plugin_name hal_plugin_imx636_evk4\n", (1280, 720)),
        (b"% plugin_name hal_plugin_prophesee\n% sensor_generation 4.2\n", (1280, 720)),
        (b"% generation 3.1\n", (640, 480)),
        (b"% plugin_name hal_plugin_gen9_evk9\n", (None, None)),
        (b"% geometry 1280\n% Width 640\n", (None, None)),
        (b"% geometry 64x48\n% plugin_name hal_plugin_gen41_evk3\n", (64, 48)),
        (b"", (None, None)),
    ],
)
def test_the_sensor(lines, size):
    assert sensor(parse(lines), strict) == size


def test_two_sizes_are_trouble_and_the_first_is_the_repair():
    header = parse(b"% format EVT3;height=480;width=640\n% geometry 1280x720\n")
    with pytest.raises(InvalidRecording, match="two sizes, 640x480 and 1280x720, of which"):
        sensor(header, strict)
    assert sensor(header, lambda problem: None) == (640, 480)


@pytest.mark.parametrize(("line", "t0"), [(b"% t0 17\n", 17), (b"% T0 5\n", 5), (b"% t0 x\n", 0)])
def test_the_time_that_faery_took_away(line, t0):
    assert parse(line).t0 == t0


def test_short_reads_lose_nothing():
    class Slow(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 3))

    assert b"".join(chunks(Slow(bytes(range(20))), 4, strict)) == bytes(range(20))

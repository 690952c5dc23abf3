"""The page in a real browser, without a network."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.recipes.toy import toy_reproduction

from spikeproof.report import build_reproduction
from spikeproof.results import load_reproduction, write_reproduction
from spikeproof.results.reproduction import Claim, Table

from .sample import ATTACKS

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no chromium or google-chrome with chromedriver on the path"
)
SWITCHES = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,900",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(30)
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, audits: Callable[[str], Path]) -> Callable[..., Any]:
    """Open the report of an audit at a width in CSS pixels."""

    def show(name: str = "complete", width: int = 1280) -> Any:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for kind in ("browser", "performance"):
            browser.get_log(kind)  # forget what earlier pages said
        browser.get((audits(name) / "report.html").as_uri())
        settle(browser)
        return browser

    return show


def settle(browser: Any) -> None:
    """Wait until what was asked for has been drawn."""
    browser.execute_async_script(
        "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done));"
    )


def stage(browser: Any) -> str:
    settle(browser)
    return browser.execute_script("return document.querySelector('[data-v=stage]').toDataURL()")


def find(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def click(browser: Any, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def now(browser: Any) -> float:
    return float(find(browser, "[data-v=time]").get_property("value"))


@pytest.mark.parametrize("name", ["complete", "unfinished", "unstarted", "hostile"])
def test_no_errors_and_no_requests(page, audits, name):
    browser = page(name)
    assert browser.get_log("browser") == []
    asked = [
        event["params"]
        for line in browser.get_log("performance")
        if (event := json.loads(line["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    own = (audits(name) / "report.html").as_uri()
    # a browser that has just been started may still be loading a page of its own
    urls = [request["request"]["url"] for request in asked if request["documentURL"] == own]
    assert [url for url in urls if not url.startswith("data:")] == [own]
    assert browser.title == "conv-lif · robustness audit"  # no injected script has renamed it


@pytest.mark.parametrize("name", ["complete", "unstarted", "hostile"])
@pytest.mark.parametrize("width", [400, 620, 800, 940, 1280])
def test_nothing_overflows(page, name, width):
    browser = page(name, width)
    page_width, window = browser.execute_script(
        "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
    )
    assert page_width == window <= width


def test_text_of_charts_is_selectable_and_fits(page):
    browser = page(width=400)
    outside = browser.execute_script(
        """return [...document.querySelectorAll('.chart text')].filter((t) => {
             const r = t.getBoundingClientRect();
             return r.width && (r.left < -1 || r.right > innerWidth + 1);
           }).map((t) => t.textContent)"""
    )
    assert outside == []
    assert find(browser, ".chart.narrow text").is_displayed()
    assert not find(browser, ".chart.wide").is_displayed()


def test_the_viewer_draws(page):
    browser = page()
    for name in ("stage", "camera", "strip"):
        inked = browser.execute_script(
            """const c = document.querySelector(`[data-v=${arguments[0]}]`);
               const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
               const seen = new Set();
               for (let i = 0; i < d.length; i += 4)
                 if (d[i + 3]) seen.add(d.slice(i, i + 3).join());
               return seen.size""",
            name,
        )
        assert inked > 5, name


def test_play_advances_time_and_pause_stops_it(page):
    browser = page()
    end = float(find(browser, "[data-v=time]").get_property("max"))
    assert now(browser) == end
    browser.execute_script("document.querySelector('[data-v=speed]').value = '0.01'")
    click(browser, "[data-v=play]")
    for _ in range(12):
        settle(browser)
    first = now(browser)
    assert 0 < first < end
    for _ in range(12):
        settle(browser)
    assert first < now(browser) < end
    assert "Pause" in find(browser, "[data-v=play]").text
    click(browser, "[data-v=play]")
    settle(browser)
    stopped = now(browser)
    for _ in range(5):
        settle(browser)
    assert now(browser) == stopped


def test_play_ends_at_the_end(page):
    browser = page()
    browser.execute_script(
        "const s = document.querySelector('[data-v=speed]'); s.value = '1';"
        "document.querySelector('[data-v=play]').click()"
    )
    until = time.monotonic() + 60  # frames come faster on one machine than on another
    while time.monotonic() < until:
        settle(browser)
        if "Play" in find(browser, "[data-v=play]").text:
            break
    assert now(browser) == float(find(browser, "[data-v=time]").get_property("max"))


@pytest.mark.parametrize("layer", ["on", "off", "added", "removed"])
def test_each_layer_can_be_hidden(page, layer):
    browser = page()
    before = stage(browser)
    click(browser, f"[data-layer={layer}]")
    assert stage(browser) != before
    click(browser, f"[data-layer={layer}]")
    assert stage(browser) == before


def test_clean_and_attacked_sides_differ(page):
    browser = page()
    seen = set()
    for side in ("clean", "both", "attacked"):
        click(browser, f"[data-side={side}]")
        seen.add(stage(browser))
    assert len(seen) == 3


def test_examples_can_be_chosen(page):
    browser = page()
    seen, captions = {stage(browser)}, {find(browser, "[data-v=caption]").text}
    for k in (3, 5):
        click(browser, f"[data-example='{k}']")
        seen.add(stage(browser))
        captions.add(find(browser, "[data-v=caption]").text)
    assert len(seen) == len(captions) == 3
    moved = find(browser, "[data-layer=moved]").find_element("xpath", "..")
    click(browser, "[data-open='3']")
    settle(browser)
    assert find(browser, "[data-example='3']").is_selected()
    assert ATTACKS[3]["title"] in find(browser, "[data-v=caption]").text
    assert int(moved.text.split()[-1]) > 50


def test_moved_events_can_be_hidden(page):
    browser = page()
    click(browser, "[data-example='3']")
    before = stage(browser)
    click(browser, "[data-layer=moved]")
    assert stage(browser) != before


def test_the_keyboard_turns_zooms_steps_and_plays(page):
    browser = page()
    canvas = find(browser, "[data-v=stage]")
    browser.execute_script("arguments[0].focus()", canvas)
    home = stage(browser)
    for key in ("\ue012", "\ue013", "+"):  # left, up
        before = stage(browser)
        canvas.send_keys(key)
        assert stage(browser) != before
    canvas.send_keys("0")
    assert stage(browser) == home
    canvas.send_keys(",")
    settle(browser)
    assert now(browser) < float(find(browser, "[data-v=time]").get_property("max"))
    browser.execute_script(
        "const s = document.querySelector('[data-v=time]'); s.value = 0;"
        "s.dispatchEvent(new Event('input')); arguments[0].focus()",
        canvas,
    )
    canvas.send_keys(" ")
    assert "Pause" in find(browser, "[data-v=play]").text


def test_drag_turns_and_the_slider_seeks(page):
    browser = page()
    canvas = find(browser, "[data-v=stage]")
    browser.execute_script("arguments[0].scrollIntoView({behavior: 'instant'})", canvas)
    before = stage(browser)
    action = webdriver.ActionChains(browser)
    action.move_to_element(canvas).click_and_hold().move_by_offset(80, 20).release().perform()
    assert stage(browser) != before
    browser.execute_script(
        "const s = document.querySelector('[data-v=time]'); s.value = s.max / 2;"
        "s.dispatchEvent(new Event('input'))"
    )
    settle(browser)
    assert find(browser, "[data-v=clock]").text.startswith(("149", "150"))


def test_views(page):
    browser = page()
    seen = set()
    for view in ("oblique", "front", "side"):
        click(browser, f"[data-view={view}]")
        seen.add(stage(browser))
    assert len(seen) == 3


def test_every_control_has_a_name(page):
    browser = page()
    nameless = browser.execute_script(
        """return [...document.querySelectorAll('button, input, select, canvas[tabindex]')]
             .filter((e) => !(e.getAttribute('aria-label') || e.textContent.trim() ||
                              e.closest('label')?.textContent.trim()))
             .map((e) => e.outerHTML)"""
    )
    assert nameless == []


def test_print_leaves_out_what_needs_a_screen(page):
    browser = page()
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not find(browser, "#viewer").is_displayed()
        assert find(browser, "#attacks table").is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.fixture(scope="module")
def reproduction(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose words are long and whose table is wide."""
    found = load_reproduction(toy_reproduction(tmp_path_factory.mktemp("toy")))
    long = "incomprehensibilities-" * 12
    columns = tuple(f"column {k}" for k in range(9))
    table = Table(long, columns, (tuple(f"{k}.25 ({k}.1–{k}.9)" for k in range(9)), (long,) * 9))
    claim = Claim(long, figure=1.0, unit=long, published=long, aim=long, holds=False, why=long)
    folder = tmp_path_factory.mktemp("wide")
    write_reproduction(
        folder,
        replace(
            found,
            title=long,
            source=long,
            claims=(*found.claims, claim),
            tables=(*found.tables, table),
        ),
    )
    return build_reproduction(folder)


@pytest.mark.parametrize("width", [400, 620, 800, 940, 1280])
def test_the_page_of_a_reproduction_fits_and_asks_for_nothing(browser, reproduction, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    browser.get(reproduction.as_uri())
    settle(browser)
    assert browser.get_log("browser") == []
    page_width, window = browser.execute_script(
        "const root = document.documentElement; return [root.scrollWidth, root.clientWidth]"
    )
    assert page_width == window <= width
    shown = "narrow" if width <= 760 else "wide"
    assert find(browser, f".chart.{shown} text").is_displayed()

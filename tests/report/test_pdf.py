"""The report as PDF: by a browser if there is one, and a way out if there is none."""

import os
import re
import shutil
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from recovery.cli import main
from recovery.errors import OutputError, UsageError
from recovery.report import pdf, write_forms, write_report
from recovery.report.pdf import BROWSERS, VARIABLE, print_pdf, printer, timeless

FOUND = next(filter(None, map(shutil.which, BROWSERS)), None)
PDF = b"%PDF-1.4\n/CreationDate (D:20300102030405+00'00')\n/ModDate (D:20300102030405+00'00')\n"


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Make a program that stands in for a browser."""

    def make(script: str) -> Path:
        file = tmp_path / "a browser"
        file.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{script}")
        file.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(file))
        return file

    return make


@pytest.fixture
def page(tmp_path: Path) -> Path:
    file = tmp_path / "a report #1.html"
    file.write_text("<p>hello")
    return file


def leftovers() -> set[Path]:
    return set(Path(os.environ.get("TMPDIR", "/tmp")).glob("recovery-pdf-*"))


def test_a_browser_prints_the_page_and_nothing_is_left_behind(browser, page, monkeypatch):
    browser(
        "words = dict(word.split('=', 1) for word in sys.argv if '=' in word)\n"
        "open('seen.txt', 'w').write('\\n'.join(sys.argv[1:]))\n"
        f"open(words['--print-to-pdf'], 'wb').write({PDF!r})\n"
    )
    monkeypatch.chdir(page.parent)
    before = leftovers()
    assert print_pdf(page) == PDF.replace(b"20300102030405", b"20000101000000")
    seen = (page.parent / "seen.txt").read_text().split("\n")
    assert seen[-1] == page.as_uri()
    assert "%23" in seen[-1]
    assert {"--headless", "--disable-background-networking", "--no-pdf-header-footer"} <= set(seen)
    assert ("--no-sandbox" in seen) == (os.geteuid() == 0)
    assert leftovers() == before


def test_a_browser_that_hangs_is_ended_with_all_it_started(browser, page, monkeypatch, tmp_path):
    child = tmp_path / "child"
    browser(
        "child = subprocess.Popen(['sleep', '60'])\n"
        f"open({str(child)!r} + '.part', 'w').write(str(child.pid))\n"
        f"os.rename({str(child)!r} + '.part', {str(child)!r})\n"
        "time.sleep(60)\n"
    )
    monkeypatch.setattr(pdf, "SECONDS", 5.0)
    before, begun = leftovers(), time.monotonic()
    with pytest.raises(OutputError, match="took longer than 5 s.*print it from a browser"):
        print_pdf(page)
    assert time.monotonic() - begun < 30
    assert leftovers() == before
    number = int(child.read_text())
    for _ in range(100):
        status = Path(f"/proc/{number}/stat")
        # A process that nobody waits for is there as a zombie until init has seen it.
        if not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.05)
    pytest.fail("what the browser had started is still running")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('first'); print('no display'); sys.exit(3)", "ended with code 3 .*: no display"),
        ("pass", "ended with code 0 and printed nothing"),
        ("open(sys.argv[-2].split('=', 1)[1], 'w').write('<html>')", "printed nothing"),
    ],
)
def test_a_browser_that_fails_is_told_of_and_the_old_pdf_stays(
    browser, make, two_figures, script, message
):
    results = make(axes={}, replicates=2)
    write_report(results, two_figures())
    old = results.folder / "report.pdf"
    old.write_bytes(b"old")
    browser(script)
    with pytest.raises(OutputError, match=message):
        write_forms(results, pdf=True)
    assert old.read_bytes() == b"old"
    assert sorted(p.name for p in results.folder.glob(".*part")) == []


def test_without_a_browser_weasyprint_prints(page, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(pdf, "find_spec", lambda name: name)
    asked = []

    def html(filename: str) -> SimpleNamespace:
        asked.append(filename)
        return SimpleNamespace(write_pdf=lambda: PDF)

    monkeypatch.setitem(sys.modules, "weasyprint", SimpleNamespace(HTML=html))
    assert printer() is None
    assert print_pdf(page).startswith(b"%PDF")
    assert asked == [str(page)]
    monkeypatch.setitem(sys.modules, "weasyprint", SimpleNamespace())
    with pytest.raises(OutputError, match="WeasyPrint failed, AttributeError"):
        print_pdf(page)


@pytest.mark.parametrize("command", ["report", "run"])
def test_with_neither_there_is_one_line_before_anything_is_done(
    command, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(pdf, "find_spec", lambda _: None)
    assert main([command, "plants", "--pdf"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(f"--pdf: there is no chromium.*install Chromium.*{VARIABLE}", err)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_that_is_named_and_is_none_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "/no/such/browser")
    with pytest.raises(UsageError, match="is '/no/such/browser', which is no program"):
        printer()


def test_the_report_command_writes_the_forms_it_is_asked_for(make, browser, capsys):
    browser(f"open(sys.argv[-2].split('=', 1)[1], 'wb').write({PDF!r})")
    results = make(axes={}, replicates=2)
    folder = results.folder
    assert main(["report", str(folder), "--latex", "--pdf"]) == 0
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (folder / "tables" / "cost.tex").exists()
    assert main(["report", str(folder)]) == 0
    assert not (folder / "report.pdf").exists()
    assert not (folder / "tables" / "cost.tex").exists()


def test_times_and_names_go_and_no_byte_moves():
    data = PDF + b"/ID [<0A1b> <ff>]\n/CreationDate(D:2030)\n(2030)"
    made = timeless(data)
    assert len(made) == len(data)
    assert b"/ID [<0000> <00>]" in made
    assert b"/CreationDate(D:2000)\n(2030)" in made
    assert timeless(made) == made


@pytest.mark.skipif(FOUND is None, reason="no Chromium or Chrome on PATH")
def test_a_real_browser_gives_the_same_bytes_twice(make, two_figures, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    results = make(axes={}, replicates=4)
    write_report(results, two_figures())
    (path,) = write_forms(results, pdf=True)
    first = path.read_bytes()
    assert first.startswith(b"%PDF")
    assert first.rstrip().endswith(b"%%EOF")
    time.sleep(1.1)  # a PDF knows its time to the second
    write_forms(results, pdf=True)
    assert path.read_bytes() == first

"""What the gallery promises: every figure is in it, and the page kept is the one it writes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recovery import plots
from recovery.plots.gallery import GALLERY, main, run_example, write_gallery

KEPT = Path(__file__).parents[2] / "reports" / "gallery"
NAMES = sorted(n.removeprefix("plot_") for n in plots.__all__ if n.startswith("plot_"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    results = run_example(folder / "run", 200)
    written = write_gallery(results, folder / "pages")
    return results, folder / "pages", written


def test_every_plot_is_in_the_gallery_with_a_picture_that_is_not_blank(made):
    _, folder, written = made
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert sorted(each.name for each in GALLERY) == NAMES
    for name in NAMES:
        assert f"## {name}\n" in page
        assert f"results.plot.{name}(" in page
        assert f"![{name}]({name}.png)" in page
        pixels = np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
        assert (pixels != 255).any(axis=2).mean() > 0.005
    assert len(written) == len(NAMES) + 1


def test_the_gallery_kept_is_the_one_written_and_small(made):
    _, folder, _ = made
    for name in NAMES:
        assert (KEPT / f"{name}.png").stat().st_size < 60_000
    kept = (KEPT / "README.md").read_text(encoding="utf-8")
    assert kept == (folder / "README.md").read_text(encoding="utf-8")


def test_results_of_a_run_have_their_figures(made):
    results, _, _ = made
    assert results.plot.coverage("betas[right]").get_title() == "betas[right]"
    assert "divergences" in results.fits_by_cell.columns


def test_one_folder_is_asked_for(capsys):
    assert main([]) == 2
    assert "give one folder" in capsys.readouterr().err

from xml.etree import ElementTree

from matplotlib.figure import Figure

from recovery.report.drawings import draw, inline_svg


def test_text_of_a_figure_stays_text_and_is_escaped():
    figure = Figure(figsize=(2, 1))
    figure.text(0.1, 0.5, '<script>alert(1)</script> & "x"', parse_math=False)
    (drawing,) = draw([("one", figure, "<b>alt</b>")])
    assert b"&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in drawing.svg
    assert "<script" not in drawing.figure.svg
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp;" in drawing.figure.svg
    assert 'role="img" aria-label="&lt;b&gt;alt&lt;/b&gt;"' in drawing.figure.svg


def test_svg_in_a_page_keeps_nothing_that_runs_fetches_or_styles_the_page():
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        b'onload="a()"><style>*{color:red}</style><script>b()</script><metadata>m</metadata>'
        b'<a xlink:href="javascript:c()"><text>x</text></a>'
        b'<image xlink:href="https://evil.example/x.png"/><foreignObject/>'
        b'<defs><path id="p"/></defs><g clip-path="url(#p)">'
        b'<use xlink:href="#p" onclick="d()"/></g></svg>'
    )
    text = inline_svg(svg, "mine", "label")
    for part in ("onload", "<style", "script", "metadata", "evil", "foreignObject", "onclick"):
        assert part not in text
    assert 'id="mine-p"' in text
    assert 'clip-path="url(#mine-p)"' in text
    assert 'href="#mine-p"' in text
    ElementTree.fromstring(text)


def test_the_files_name_neither_date_nor_program():
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    (drawing,) = draw([("one", figure, "alt")])
    assert b"<dc:date" not in drawing.svg
    assert b"matplotlib.org" not in drawing.svg + drawing.png

import math

import pytest

from recovery.inert import escaped
from recovery.report.tables import to_csv
from recovery.report.text import (
    count,
    level,
    number,
    plain,
    probability,
    seconds,
    share,
    with_error,
)


@pytest.mark.parametrize(
    ("estimate", "mcse", "text"),
    [
        (0.74, 0.0438, "0.740 ± 0.044"),
        (-0.01234, 0.0041, "\u22120.0123 ± 0.0041"),
        (-0.0002, 0.022, "0.000 ± 0.022"),
        (123456.7, 2345.0, "123,457 ± 2,345"),
        (1.0, 0.0, "1.0000 ± 0.0000"),
        (math.nan, math.nan, "\u2013"),
        (0.5, math.nan, "0.5 ± n/a"),
        (3e-12, 1e-13, "3e-12 ± 1e-13"),
        (2e9, 1e7, "2e+09 ± 1e+07"),
    ],
)
def test_an_estimate_is_written_to_the_second_digit_of_its_error(estimate, mcse, text):
    assert with_error(estimate, mcse) == text


def test_a_share_is_never_rounded_to_a_certainty():
    assert [share(p) for p in (0.0, 0.001, 0.5, 0.999, 1.0)] == [
        "0.00", "<0.01", "0.50", ">0.99", "1.00",
    ]  # fmt: skip


def test_numbers_have_the_digits_they_need():
    assert [number(x) for x in (0.0, 1.01234, 12345.6, -0.5, math.inf, 1e-9)] == [
        "0", "1.012", "12,346", "\u22120.5", "∞", "1e-09",
    ]  # fmt: skip
    assert [probability(p) for p in (0.0, 0.04321, 1.0)] == ["<0.001", "0.043", "1.000"]
    assert [seconds(s) for s in (0.0, 0.00123, 1.5, 300, 9000)] == [
        "0 ms", "1.23 ms", "1.50 s", "5.00 min", "2.50 h",
    ]  # fmt: skip
    assert [count(1, "fit"), count(2000, "fit")] == ["1 fit", "2,000 fits"]


def test_levels_are_written_as_they_were_given():
    assert [level(v) for v in (True, 5, 5.0, 0.25, "a\nb", math.nan, None)] == [
        "True", "5", "5", "0.25", "a b", "None", "None",
    ]  # fmt: skip


def test_plain_text_has_no_control_characters_and_can_always_be_encoded():
    assert plain("a\x00b\x1b[0m\u202ec\ud800\r\nd") == "ab[0mc?  d"
    assert plain("a\n\tb\x00", lines=True) == "a\n\tb"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("  =1+1", "'  =1+1"),
        ("\x00=1+1", "'=1+1"),
        ("\t=1", "' =1"),
        ("\tx", "' x"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@x", "'@x"),
        ("\uff1d1", "'\uff1d1"),
        ("betas[a, b]", '"betas[a, b]"'),
        ('say "x"', '"say ""x"""'),
        ("two\nlines", "two lines"),
    ],
)
def test_text_of_a_csv_cell_is_inert(text, shown):
    import pandas as pd

    assert to_csv(pd.DataFrame({"a": [text]})) == f"a\n{shown}\n"


def test_numbers_of_a_csv_cell_stay_numbers():
    import pandas as pd

    frame = pd.DataFrame({"a": [-1.5, math.nan], "b": [1, 2], "c": [True, False], "d": [None, 3]})
    assert to_csv(frame.astype({"d": object})) == "a,b,c,d\n-1.5,1,True,\n,2,False,3\n"


def test_markdown_keeps_plain_names_readable():
    assert escaped("betas[water amount] empirical_se") == "betas[water amount] empirical_se"
    assert escaped("a|b `c` _d_ <e> *f* $g$ @h [i](j)\nk") == (
        r"a\|b \`c\` \_d\_ &lt;e> \*f\* \$g\$ &#64;h [i\](j) k"
    )

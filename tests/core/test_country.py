"""Numbering plans: one number has one form, however it was dialled or told; emergency numbers by country."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handschlag.core.country import COUNTRIES, international
from handschlag.core.emergency import is_dialled

DE = COUNTRIES["DE"]


@pytest.mark.parametrize(
    "number",
    [
        "03023125042",
        "030 2312-5042",
        "(030) 23125042",
        "+493023125042",
        "+49 (0)30 23125042",
        "00493023125042",
        "*31#03023125042",
        "#31#03023125042",
        "0103303023125042",
        "0107203023125042",
        "01003303023125042",
        "23125042",
    ],
)
def test_one_number_has_one_form(number: str) -> None:
    """National, international, local, with a hidden own number, through another carrier: the same digits."""
    assert international(number, DE, "030") == "493023125042"


def test_a_local_number_needs_an_area_code() -> None:
    """Without the line's area code a local number could be anybody's."""
    assert international("23125042", DE) == ""


@pytest.mark.parametrize(
    ("country", "number", "form"),
    [
        ("AT", "01 23456", "43123456"),
        ("CH", "044 123 45 67", "41441234567"),
        ("FR", "01 23 45 67 89", "33123456789"),
        ("DK", "32 12 34 56", "4532123456"),
        ("DK", "004932123456", "4932123456"),
    ],
)
def test_each_country_writes_its_own_way(country: str, number: str, form: str) -> None:
    """The trunk prefix falls away where there is one."""
    assert international(number, COUNTRIES[country]) == form


@given(st.text(max_size=40))
def test_anything_else_is_no_number(text: str) -> None:
    """Whatever comes in, the form is digits or nothing."""
    form = international(text, DE, "030")
    assert form == "" or (form.isdecimal() and form.isascii())


@pytest.mark.parametrize(
    ("country", "digits", "emergency"),
    [
        ("DE", "110", True),
        ("DE", "0112", True),
        ("DE", ",1,12", True),
        ("DE", "030,112", True),
        ("DE", "030112", False),
        ("DE", "15", False),
        ("AT", "144", True),
        ("AT", "0144", False),
        ("CH", "117", True),
        ("FR", "15", True),
        ("FR", "0115", False),
        ("DK", "114", True),
    ],
)
def test_emergency_numbers_are_the_countrys(country: str, digits: str, emergency: bool) -> None:  # noqa: FBT001 -- a table's column
    """Known by the last digit, from the beginning of a number only; a comma stands for a dial tone."""
    plan = COUNTRIES[country]
    assert is_dialled(digits, plan.emergency, plan.outside) is emergency

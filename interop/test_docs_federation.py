"""docs/federation.md, followed as it stands: its files, its commands, their output."""
import re
from pathlib import Path

from house import House
from page import follow

PAGE = Path(__file__).parent.parent / "docs/federation.md"


def test_the_page_is_what_a_reader_gets(tmp_path):
    house = House()

    def normal(text):
        text = re.sub(r"\b\d{12}\b", "111122223333", text)
        text = re.sub(r"/oidc/[0-9a-f-]{36}", "/oidc/01234567-89ab-cdef-0123-456789abcdef", text)
        return text.replace(house.api, "http://127.0.0.1:7500")

    try:
        assert follow(PAGE, house, tmp_path, normal) >= 4
    finally:
        house.close()

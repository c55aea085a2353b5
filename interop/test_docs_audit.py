"""docs/audit.md, followed as it stands: its configuration, its commands, their output."""
import re
from pathlib import Path

from house import House
from page import follow

PAGE = Path(__file__).parent.parent / "docs/audit.md"


def normal(text):
    text = re.sub(r"\b\d{12}\b", "111122223333", text)
    text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)
    text = re.sub(r"\bASIA[A-Z0-9]{16}\b", "ASIAIOSFODNN7EXAMPLE", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-22T15:00:00Z", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\d\.jsonl", "2026-11-22.jsonl", text)
    text = re.sub(r"\b[0-9A-F]{16}\b", "0A1B2C3D4E5F6071", text)
    text = re.sub(r"\bkey [0-9a-f]{32}\b", "key 31e8b5433410dfb61a9dc45cc65b22ff", text)
    text = re.sub(r"\bpid \d+, \S+,", "pid 4242, /usr/bin/python3.11,", text)
    # How much the system wrote before depends on how fast everything was.
    text = re.sub(r"\b\d+ records\b", "21 records", text)
    text = re.sub(r"\b\d+ checkpoints?\b", "3 checkpoints", text)
    text = re.sub(r"signs for record \d+", "signs for record 21", text)
    return re.sub(r"\b(\d+)/\1 (digest|log) files valid", r"2/2 \2 files valid", text)


def test_the_page_is_what_a_reader_gets(tmp_path):
    config = re.search(r"`hallpass.toml`:\n\n```toml\n(.*?)```", PAGE.read_text(), re.S)[1]
    house = House(config=config)
    try:
        # Days of the page's system: calls, and a stop with its digest.
        for number in range(1, 3):
            house.boto("iam").create_user(UserName=f"u{number}")
            house.stop()
            house.start()
        assert follow(PAGE, house, tmp_path, normal) >= 3
    finally:
        house.close()


def test_the_page_names_every_setting():
    """The table of the page and the configuration's own list hold the same names."""
    source = PAGE.parent.parent / "crates/hallpass-gateway/src/config/audit.rs"
    fields = set(re.findall(r"^    pub (\w+): ", source.read_text(), re.M))
    assert fields == set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.M))

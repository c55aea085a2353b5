"""docs/files.md, followed as it stands: its rules, its commands, their output."""
import os
import re
import signal
import subprocess
from pathlib import Path

from house import House, wait_for
from page import follow

PAGE = Path(__file__).parent.parent / "docs/files.md"
MOUNT = Path("/run/hallpass/roles")


def normal(text):
    text = re.sub(r"\b\d{12}\b", "111122223333", text)
    text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)
    text = re.sub(r"\b0:\d+ / ", "0:53 / ", text)
    return text


def test_the_page_is_what_a_reader_gets(tmp_path):
    made = [path for path in (MOUNT.parent, MOUNT) if not path.exists()]
    MOUNT.mkdir(parents=True, exist_ok=True)
    house = None
    try:
        house = House("--files", str(MOUNT))
        rules = Path(house.ready["rules"])
        text = re.search(r"```toml\n(\[\[file\]\].*?)```", PAGE.read_text(), re.S)[1]
        # A group that this machine need not have.
        rules.write_text(rules.read_text() + "\n" + text.replace("group:ops", "group:games"))
        house.process.send_signal(signal.SIGHUP)
        env = MOUNT / "demo/env"
        wait_for(lambda: env.exists() and env.stat().st_size, "the files being there")
        assert follow(PAGE, house, tmp_path, normal) >= 3
    finally:
        if house:
            house.close()
        while f" {MOUNT} " in Path("/proc/self/mountinfo").read_text():
            subprocess.run(["umount", "-l", str(MOUNT)], check=True)
        for path in reversed(made):
            os.rmdir(path)

"""docs/gateway.md, followed as it stands: with its configuration, in front of MinIO and of moto."""
import re
from pathlib import Path

from house import House
from page import follow
from test_document_003 import Minio
from test_services import Moto

PAGE = Path(__file__).parent.parent / "docs/gateway.md"


def normal(text):
    text = re.sub(r"\b(?!123456789012)\d{12}\b", "111122223333", text)
    return re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)


def test_the_page_is_what_a_reader_gets(tmp_path):
    (tmp_path / "minio").mkdir()
    minio, moto = Minio(tmp_path / "minio"), Moto(tmp_path)
    house = None
    try:
        config = re.search(r"`hallpass.toml`:\n\n```toml\n(.*?)```", PAGE.read_text(), re.S)[1]
        config = config.replace("http://127.0.0.1:9000", minio.endpoint).replace("http://127.0.0.1:5000", moto.endpoint)
        for name, text in [("minio-keys", minio.credentials().replace("[minio]", "[default]")), (
                "cloud-keys", "[default]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = real\n")]:
            (tmp_path / name).write_text(text)
            config = config.replace(f'"{name}"', f'"{tmp_path / name}"')
        house = House(config=config)
        assert follow(PAGE, house, tmp_path, normal) >= 4
    finally:
        if house:
            house.close()
        minio.close()
        moto.close()


def test_the_page_names_every_setting():
    """The tables of the page and the configuration's own list hold the same names; docs/audit.md has the audit log's."""
    sources = PAGE.parent.parent / "crates/hallpass-gateway/src"
    source = "".join(file.read_text() for file in [sources / "config.rs", *(sources / "config").glob("[!a]*.rs")])
    page = PAGE.read_text()
    fields = set(re.findall(r"^    pub (\w+): ", source, re.M)) - {"upstreams", "networks", "listener", "limits", "signatures", "audit"}
    missing = sorted(field for field in fields if f"`{field}`" not in page and f"{field} " not in page and f".{field}" not in page)
    assert missing == [], missing

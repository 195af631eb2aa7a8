"""The player's files: read once at the start, and looked up by their whole path.

Since a request's path is only ever a key of a table it cannot lead anywhere else. Files in `assets/` have their hash in
their name and may be kept for good; the page itself is asked for each time.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".wasm": "application/wasm",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".txt": "text/plain; charset=utf-8",
}
_MISSING: Final = b"""<!doctype html>
<html lang="de"><meta charset="utf-8"><title>Handschlag</title>
<p>Das Archiv l\xc3\xa4uft. Der Player ist nicht gebaut.
<p lang="en">The archive is running. The player has not been built.
</html>
"""


@dataclass(frozen=True)
class StaticFile:
    """One file as it is served."""

    content: bytes
    type: str
    etag: str
    lasting: bool


def read_static(folder: Path = FOLDER) -> Mapping[str, StaticFile]:
    """Every file by its path; without a player a page that says so."""
    found: dict[str, StaticFile] = {}
    for path in [*sorted(folder.glob("*")), *sorted(folder.glob("assets/*"))]:
        kind = _TYPES.get(path.suffix)
        if kind is not None and path.is_file():
            name = "/" + path.relative_to(folder).as_posix()
            found["/" if name == "/index.html" else name] = _file(path.read_bytes(), kind, path.parent != folder)
    found.setdefault("/", _file(_MISSING, _TYPES[".html"], lasting=False))
    return found


def _file(content: bytes, kind: str, lasting: bool) -> StaticFile:  # noqa: FBT001 - private, three lines above
    return StaticFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"', lasting)

"""Names that people log in with: as they are shown, and as they are compared."""

import unicodedata

from handschlag_archive.web.asked import bad_request


def shown(name: str) -> str:
    """A name without what cannot be seen. Raises Refused."""
    tidy = " ".join(unicodedata.normalize("NFKC", name).split())
    if not tidy or len(tidy) > 64 or not tidy.isprintable():
        raise bad_request("name: allowed are 1 to 64 letters, digits, signs and spaces")
    return tidy


def compared(name: str) -> str:
    """The same for all spellings of a name that people take for the same; any text has one."""
    return " ".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).split())[:256]

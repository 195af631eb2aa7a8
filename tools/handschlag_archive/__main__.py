"""`python -m handschlag_archive`, the same as `handschlag-archive`."""

from handschlag_archive.cli import main

if __name__ == "__main__":
    main()

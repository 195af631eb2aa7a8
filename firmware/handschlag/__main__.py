"""`python -m handschlag` is the command line."""

from handschlag.cli import main

main()

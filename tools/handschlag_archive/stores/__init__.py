"""Where the archive's bytes lie: one small port, and one file for each kind of place behind it."""

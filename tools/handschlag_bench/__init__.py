"""Measurements: each prints one row per figure, with its goal, and beside it what others need for the same."""

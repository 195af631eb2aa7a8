"""The part of a settings file that says that no part of the box is there."""

NO_PARTS = """[line]
kind = "absent"

[audio]
kind = "absent"

[panel]
kind = "absent"

[uplink]
kind = "absent"
"""

"""Settings for all tests: Hypothesis has no deadline, for these machines are shared and no test asserts wall time.

What runs in real time begins first, and the other modules follow, those with the most tests first, so that parallel
workers end together (pytest-xdist would leave a module with a single long test to the end).
"""

from collections import Counter

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which they begin."""
    scopes = {item: item.nodeid.rpartition("::")[0] for item in items}
    sizes = Counter(scopes.values())
    items.sort(key=lambda item: (item.get_closest_marker("real_time") is None, -sizes[scopes[item]]))

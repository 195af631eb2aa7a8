"""Settings for all tests: Hypothesis has no deadline, for these machines are shared and no test asserts wall time."""

from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

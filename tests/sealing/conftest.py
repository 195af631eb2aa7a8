"""Examples are judged by what they do, never by how long a busy machine takes for them."""

from hypothesis import settings

settings.register_profile("handschlag", deadline=None)
settings.load_profile("handschlag")

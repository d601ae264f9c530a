"""Property tests: the same examples every time, and no clock, for a slow machine is no fault."""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

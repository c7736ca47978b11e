"""The installed version, for logs and `authsvc --version`."""

from importlib.metadata import version

VERSION = version("authsvc")

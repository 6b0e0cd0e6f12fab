"""A first scenario with its test, its policy and its CI job, for a repository that has none."""

from recovery.starter.files import Started, start
from recovery.starter.names import check_name

__all__ = ["Started", "check_name", "start"]

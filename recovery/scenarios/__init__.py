"""Bundled scenarios, a file each, written as a user would write them."""

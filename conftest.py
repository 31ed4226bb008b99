"""Wiring only: pytester for the tests of the plugin itself."""

pytest_plugins = ["pytester"]

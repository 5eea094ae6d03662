"""Kept for tools that still look for it; everything is said in setup.cfg."""

from setuptools import setup

setup()

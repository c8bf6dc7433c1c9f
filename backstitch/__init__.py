"""Backstitch: inventory for textile and apparel businesses, with every change on the record."""

__version__ = "0.11.0"

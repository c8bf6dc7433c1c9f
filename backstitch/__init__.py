"""Backstitch: inventory for textile and apparel businesses, every change on the record."""

"""Photographs and scans to digits."""

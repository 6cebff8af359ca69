"""Hooks that are programs."""

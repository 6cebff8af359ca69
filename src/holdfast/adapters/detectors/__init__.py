"""Detectors: engines that look at a text and say what they see."""

"""Places that keep signed checkpoints.

- *directory*: files that are only added, best on another machine's disk.
"""

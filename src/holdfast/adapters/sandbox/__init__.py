"""Running programs confined to a workspace.

- *tier*: what confines them here: bubblewrap, Landlock with seccomp, or nothing.
- *keeper*: the launcher's process that ends a command's processes.
- *marker*: the environment entry that names the effect a process belongs to.
- *leftover*: a process of an effect whose runtime has died.
"""

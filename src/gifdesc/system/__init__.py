"""The operating system and the network: files, locks, processes, threads, devices, the hub."""

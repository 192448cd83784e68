"""Named files and folders of any kind, and their versions: see `penstock.data.items.adding`."""

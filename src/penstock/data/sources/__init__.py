"""Where rows come from: one kind of source per file, all behind the group ``penstock.sources`` of parts."""

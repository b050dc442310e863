"""What a published copy is made of beside its takes: the page that opens from a folder, and how the site is served."""

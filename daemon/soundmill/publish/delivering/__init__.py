"""Deliveries asked for on the site: by what profile, what became of them, and their zip files."""

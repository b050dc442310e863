"""What may be asked of the mill from the site. Nothing here writes the catalogue: wishes become control files."""

"""What many readers ask at once is found out once, and what has not changed is not asked again."""

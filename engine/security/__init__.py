"""What stays home: secrets, URLs, paths."""

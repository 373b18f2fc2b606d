"""Draw what models find in sequence."""

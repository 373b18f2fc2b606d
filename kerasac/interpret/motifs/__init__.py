"""Find motifs in contributions, name them, and write them down."""

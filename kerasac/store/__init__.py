"""Write and read the TileDB signal store; the only room that imports tiledb."""

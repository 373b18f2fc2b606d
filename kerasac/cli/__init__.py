"""The kerasac-ray command: parse, call one library function, print the result."""

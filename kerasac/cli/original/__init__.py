"""The commands of kerasAC and seqdataloader, with their own flags: each a translation to what this package does."""

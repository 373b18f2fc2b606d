"""Describe the genome: chromosomes, intervals, sequence and folds."""

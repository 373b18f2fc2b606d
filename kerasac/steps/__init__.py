"""The steps of a unit of work: train, predict, score, report."""

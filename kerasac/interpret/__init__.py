"""Explain models: contributions of bases, motifs, effects of variants."""

"""Simulate a small genome whose accessibility follows planted motifs, so that a model's truth is known.

A regulatory element carries one to four motif sites. Its expected counts are ``base_counts`` times the exponential
of its sites' strengths: additive in the logarithm, plus a bonus for one pair of motifs, plus noise that no sequence
explains. Each site leaves a footprint, shoulders beside a protected core, mirrored between the strands. An enzyme's
preference for the bases around the cut multiplies everything, background included. Motif matches that were not
planted do nothing, as most matches in a real genome do nothing.
"""

from kerasac.genome.simulate.chromosome import Element, MotifInstance, Simulation
from kerasac.genome.simulate.files import SimulatedGenome, genome_files, is_simulated, read_truth, simulate
from kerasac.genome.simulate.motifs import MOTIFS, PAIR, Motif, enzyme_preference, footprint

__all__ = [
    "MOTIFS",
    "PAIR",
    "Element",
    "Motif",
    "MotifInstance",
    "SimulatedGenome",
    "Simulation",
    "enzyme_preference",
    "footprint",
    "genome_files",
    "is_simulated",
    "read_truth",
    "simulate",
]

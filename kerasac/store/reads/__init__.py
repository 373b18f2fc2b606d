"""Count the 5' ends of reads: files, shifts and the evidence for them."""

from kerasac.store.reads.counts import EndCounts, ReadFacts, SparseCounts
from kerasac.store.reads.insertions import CountedEnds, InsertionCounts, count_reads, counted_ends
from kerasac.store.reads.shift import ShiftEvidence, detect_shift
from kerasac.store.reads.spec import Assay, Dedup, ReadsFormat, ReadsSpec, Shift, Strand, parse_shift

__all__ = [
    "Assay",
    "CountedEnds",
    "Dedup",
    "EndCounts",
    "InsertionCounts",
    "ReadFacts",
    "ReadsFormat",
    "ReadsSpec",
    "Shift",
    "ShiftEvidence",
    "SparseCounts",
    "Strand",
    "count_reads",
    "counted_ends",
    "detect_shift",
    "parse_shift",
]

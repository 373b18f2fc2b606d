"""Keep on each machine what takes time to make, so that every process of every run shares it."""

from kerasac.cache.entries import cache_folder, entry, make_room, shrink
from kerasac.cache.files import (
    digest,
    file_facts,
    lock,
    locked,
    nearest_folder,
    remove,
    reserve,
    whole_file,
    write_whole,
)
from kerasac.cache.shards import ShardMap, in_process, in_threads, usable_cpus

__all__ = [
    "ShardMap",
    "cache_folder",
    "digest",
    "entry",
    "file_facts",
    "in_process",
    "in_threads",
    "lock",
    "locked",
    "make_room",
    "nearest_folder",
    "remove",
    "reserve",
    "shrink",
    "usable_cpus",
    "whole_file",
    "write_whole",
]

"""Keep on each machine what takes time to make, so that every process of every run shares it."""

from kerasac.cache.entries import cache_folder, entry, make_room, shrink
from kerasac.cache.files import (
    digest,
    file_digest,
    lock,
    locked,
    nearest_folder,
    remove,
    remove_parts,
    reserve,
    whole_file,
    with_ending,
    write_whole,
)
from kerasac.cache.remote import UnreachableError, file_facts, local_copy, location, shown, url_of
from kerasac.cache.shards import ShardMap, in_process, in_threads, usable_cpus
from kerasac.cache.small_files import read_small, remove_small, write_small
from kerasac.cache.upload import upload_folder

__all__ = [
    "ShardMap",
    "UnreachableError",
    "cache_folder",
    "digest",
    "entry",
    "file_digest",
    "file_facts",
    "in_process",
    "in_threads",
    "local_copy",
    "location",
    "lock",
    "locked",
    "make_room",
    "nearest_folder",
    "read_small",
    "remove",
    "remove_parts",
    "remove_small",
    "reserve",
    "shown",
    "shrink",
    "upload_folder",
    "url_of",
    "usable_cpus",
    "whole_file",
    "with_ending",
    "write_small",
    "write_whole",
]

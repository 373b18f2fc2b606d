"""Run the command as ``python -m kerasac``."""

from kerasac.cli.main import main

main()

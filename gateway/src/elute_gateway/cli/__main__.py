"""`python -m elute_gateway.cli`, where the program `elute` is not on the path."""

import sys

from elute_gateway.cli.app import main

if __name__ == "__main__":
    sys.exit(main())

"""``python -m openoutcry``: the command line without its script."""

import sys

from openoutcry.cli import main

sys.exit(main())

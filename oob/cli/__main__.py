"""`python -m oob.cli`."""

import sys

from oob.cli import main

sys.exit(main())

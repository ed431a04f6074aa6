"""Every compilation of the tests verifies what its stages make."""

import os

os.environ["EXPRC_VERIFY"] = "1"

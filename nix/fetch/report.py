"""What a person is told: two lines when it fails, one when something else than recorded was taken."""

import sys


class FetchError(Exception):
    """A failure with its remedy."""

    def __init__(self, what, hint):
        super().__init__(f"nix/fetch: {what}\nhint: {hint}")


def notice(text):
    """Says that the build goes on with something else than the lock records."""
    print(f"nix/fetch: notice: {text}", file=sys.stderr)

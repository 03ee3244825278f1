"""Which of the devices in range is the one that is meant: pure matching, without I/O."""

from oob.discovery.tag import NONCE_LENGTH, TAG_LENGTH, advertised_tag, matches, resolve

__all__ = ["NONCE_LENGTH", "TAG_LENGTH", "advertised_tag", "matches", "resolve"]

"""Labels: drawing what a device carries, reading it back from a picture, and making a batch of both for a factory.

Needs the extra `oob[qr]`: segno, pillow and zxing-cpp.
"""

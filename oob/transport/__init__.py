"""Carriers: links over Bluetooth LE, a socket and in memory, behind one narrow protocol; and what is there for them."""

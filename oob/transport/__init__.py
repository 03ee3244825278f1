"""Carriers: links over Bluetooth LE and in memory, behind one narrow protocol."""

"""The virtual bench: radios and devices without hardware. Everything here is simulated."""

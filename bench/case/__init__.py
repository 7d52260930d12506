"""What is measured: a case, its regime, and the settings it runs under."""

"""What it costs: seconds, memory, compile time, what a kernel pays and how far it is from the machine's limits."""

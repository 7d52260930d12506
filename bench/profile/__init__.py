"""The program behind `make profile`."""

"""From a preset or a user's file to the ordered list of cases."""

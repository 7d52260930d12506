"""The experiments of the posts that this project answers, run as they were published and again without their flaws."""

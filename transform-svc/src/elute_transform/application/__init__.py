"""Steps over datasets: judged before a run, and put to work on batches."""

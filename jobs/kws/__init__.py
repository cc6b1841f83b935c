"""Keyword spotting: clips to features, features to models, models to answers.

Nothing in this package knows of AWS; the job scripts beside it do the little that containers ask for.
"""

"""Earshot's command line and its local cloud."""

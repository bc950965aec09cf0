"""Downstream evaluation: what the paper printed, counted again."""

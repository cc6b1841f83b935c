"""The main job as a demonstration: clips dropped into S3, words recognised on a board."""

"""Pictures, voices and films: what a file is, the shelf of what WeChat has, and the way there."""

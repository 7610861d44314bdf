"""Starters and helpers around the application: set-up, the demo, the story, screenshots."""

"""What a visitor sees and does, played in Chromium."""

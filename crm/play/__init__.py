"""What brings people back for its own sake: signing in, drawing lots, bringing a friend."""

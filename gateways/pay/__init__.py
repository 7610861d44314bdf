"""What every payment channel can do, in one vocabulary: nobody above knows whose money it is."""

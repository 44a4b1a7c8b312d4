"""Order: who acts next, when a run pauses, how it resumes."""

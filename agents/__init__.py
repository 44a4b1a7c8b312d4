"""Thinking: five agents prove their part of a plan before anything runs; planner.py is the seam between minds."""

"""Thinking: five agents, each proving its part of a plan before anything runs; planner.py is the seam between minds."""

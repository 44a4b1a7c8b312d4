"""`python -m agent_etl` is the command line."""

from agent_etl.cli import main

if __name__ == "__main__":
    main()

"""The budget game: a FLOP budget, an oracle of recorded runs, a ledger, and a score of what was forecast."""

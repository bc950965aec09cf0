"""How assignments are made, handed out and graded. Not part of the library; runs in .venv-coursework."""

"""How the book is made: environment, sweep, notebooks, staging, site. Not part of the library."""

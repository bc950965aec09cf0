"""The paper's tasks (Table 5), one module for each of its groups."""

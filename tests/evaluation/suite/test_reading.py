from tests.evaluation.suite.case import Case

CASES = {"lambada": Case({"text": "the dog sees the cat"}, [("the dog sees the", " cat")])}

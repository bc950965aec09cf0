"""The oracle over HTTP: whom it knows, what it refuses, and ledgers that are those of a game played alone."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from chinchilla_lib.errors import InputError
from chinchilla_lib.game.client import OracleClient
from chinchilla_lib.game.game import Game, replay
from chinchilla_lib.game.ledger import Ledger
from chinchilla_lib.game.server import OracleServer, new_tokens, read_tokens
from chinchilla_lib.game.variants import find_variant, recorded_table

TOKENS = {"ada": "ada-0123456789abc", "bob": "bob-0123456789abc"}
CODE = find_variant("code")
FAR = (2e5, CODE.tokens_for(2e5, CODE.far_budget))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OracleServer]:
    with OracleServer("code", TOKENS, tmp_path / "ledgers") as one:
        thread = threading.Thread(target=one.serve_forever, daemon=True)
        thread.start()
        yield one
        one.shutdown()
        thread.join()


def ledger_of(folder: Path, student: str) -> Ledger:
    return Ledger.read(folder / "ledgers" / f"{student}.jsonl")


def asked(server: OracleServer, path: str, body: bytes, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=10)
    sent = {
        "Authorization": f"Bearer {TOKENS['ada']}",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    connection.request("POST", path, body, sent)
    response = connection.getresponse()
    return response.status, response.read().decode()


def test_a_game_over_http_is_the_game_played_alone(server: OracleServer, tmp_path: Path) -> None:
    games = [
        Game("ada", "code"),
        Game("ada", "code", tmp_path / "copy.jsonl", oracle=server.address, token=TOKENS["ada"]),
    ]
    for game in games:
        game.train(4e4, 1e6)
        game.train(8e4, 1e6, seed=3)
        game.submit(*FAR, (2.2, 2.4))
    assert games[0].ledger == games[1].ledger == ledger_of(tmp_path, "ada")
    assert Ledger.read(tmp_path / "copy.jsonl") == games[0].ledger
    assert replay(games[1].ledger).holds


def test_a_discarded_attempt_counts(server: OracleServer) -> None:
    Game("ada", "code", oracle=server.address, token=TOKENS["ada"]).train(4e4, 1e6)
    again = Game("ada", "code", oracle=server.address, token=TOKENS["ada"])
    assert len(again.answers) == 1 and again.spent > 0


def test_two_open_games_of_one_student_share_a_ledger(server: OracleServer, tmp_path: Path) -> None:
    first, second = (Game("ada", "code", oracle=server.address, token=TOKENS["ada"]) for _ in range(2))
    first.train(4e4, 1e6)
    second.train(8e4, 1e6)
    first.train(1.2e5, 1e6)
    assert first.ledger == ledger_of(tmp_path, "ada") and len(first.answers) == 3


def test_many_at_once_lose_nothing(server: OracleServer, tmp_path: Path) -> None:
    failed: list[Exception] = []

    def play(student: str, part: int) -> None:
        try:
            game = Game(student, "code", oracle=server.address, token=TOKENS[student])
            for seed in range(5):
                game.train(2e4, 2e5, seed=100 * part + seed)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=play, args=(s, k)) for s in TOKENS for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for student in TOKENS:
        found = replay(ledger_of(tmp_path, student))
        assert found.holds and found.n_answers == 15


def test_refusals_come_as_their_own_words_and_cost_nothing(server: OracleServer) -> None:
    game = Game("ada", "code", oracle=server.address, token=TOKENS["ada"])
    with pytest.raises(InputError, match="recorded runs reach from"):
        game.train(1e5, 1e9)
    with pytest.raises(InputError, match="this size can have"):
        game.submit(2e5, 1e6, (2.2, 2.4))
    assert game.spent == 0
    game.submit(*FAR, (2.2, 2.4))
    with pytest.raises(InputError, match="the game of ada is over"):
        game.train(1e5, 1e6)


def test_another_students_token_is_noticed_and_an_unknown_one_refused(server: OracleServer) -> None:
    with pytest.raises(InputError, match="is of student 'bob', not 'ada'"):
        Game("ada", "code", oracle=server.address, token=TOKENS["bob"])
    with pytest.raises(InputError, match="token is not known here"):
        Game("ada", "code", oracle=server.address, token="x" * 20)
    with pytest.raises(InputError, match="token is missing"):
        Game("ada", "code", oracle=server.address)
    with pytest.raises(InputError, match="is of variant 'code', not 'english'"):
        Game("ada", "english", oracle=server.address, token=TOKENS["ada"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/ledger", b'{"known": 0}', 200),
        ("/", b"{}", 404),
        ("/../ledger", b"{}", 404),
        ("/ledger", b"", 400),
        ("/ledger", b"[]", 400),
        ("/ledger", b"\xff", 400),
        ("/ledger", b"[" * 4000, 400),
        ("/ledger", b'{"known": -1}', 400),
        ("/ledger", b'{"known": 0, "known": 0}', 400),
        ("/ledger", b'{"known": true}', 400),
        ("/train", b'{"known": 0}', 400),
        ("/train", b'{"known": 0, "n_params": 1e5, "n_tokens": 1e6, "student": "bob"}', 400),
        ("/train", b'{"known": 0, "n_params": NaN, "n_tokens": 1e6}', 400),
        ("/submit", b'{"known": 0, "n_params": 1e5, "n_tokens": 1e6}', 400),
        ("/train", b'{"known": 0, "\\ud800": 1}', 400),
        ("/submit", b'{"known": 0, "n_params": 1e-300, "n_tokens": 1, "low": 1, "high": 2}', 400),
        ("/ledger", b" " * 5000, 413),
    ],
)
def test_no_request_harms_the_server(
    server: OracleServer, tmp_path: Path, path: str, body: bytes, status: int
) -> None:
    found, text = asked(server, path, body)
    assert found == status and "Traceback" not in text
    assert asked(server, "/ledger", b'{"known": 0}')[0] == 200
    assert len(ledger_of(tmp_path, "ada").entries) == 1


@pytest.mark.parametrize("length", ["-1", "1e3", "99999999999", "\u0663"])
def test_a_length_that_is_none_is_refused(server: OracleServer, length: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=10)
    connection.putrequest("POST", "/ledger")
    connection.putheader("Authorization", f"Bearer {TOKENS['ada']}")
    connection.putheader("Content-Length", length.encode("utf-8"))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_server_started_again_goes_on(tmp_path: Path) -> None:
    for number in range(2):
        with OracleServer("code", TOKENS, tmp_path / "ledgers") as one:
            threading.Thread(target=one.serve_forever, daemon=True).start()
            game = Game("ada", "code", oracle=one.address, token=TOKENS["ada"])
            game.train(4e4, 1e6, seed=number)
            one.shutdown()
    assert len(game.answers) == 2


def test_a_table_of_the_courses_own_answers(tmp_path: Path) -> None:
    with OracleServer("code", TOKENS, tmp_path, table=recorded_table("english")) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        loss = Game("ada", "code", oracle=one.address, token=TOKENS["ada"]).train(4e4, 1e6).loss
        one.shutdown()
    assert loss == Game("ada", "code", table=recorded_table("english")).train(4e4, 1e6).loss
    with pytest.raises(InputError, match="table is given with an oracle"):
        Game("ada", "code", oracle="http://localhost:1", token="x", table=recorded_table("english"))


def test_log_and_answers_hold_no_token(server: OracleServer, capsys: pytest.CaptureFixture[str]) -> None:
    game = Game("ada", "code", oracle=server.address, token=TOKENS["ada"])
    game.train(4e4, 1e6)
    said = capsys.readouterr().err
    assert "ada train 200" in said
    assert TOKENS["ada"] not in said + game.ledger.to_text()


def test_an_oracle_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"the oracle at http://127\.0\.0\.1:9 does not answer"):
        OracleClient("http://127.0.0.1:9", "token").entries(0)


@pytest.mark.parametrize("address", ["localhost:8770", "ftp://host", "http://", "file:///etc/passwd"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="give an address with https"):
        OracleClient(address, "token")
    with pytest.raises(InputError, match="token must be printable"):
        OracleClient("http://localhost", "a\nb")


def test_tokens_are_made_and_read(tmp_path: Path) -> None:
    made = new_tokens(["ada", "bob"])
    path = tmp_path / "tokens.csv"
    path.write_text("student,token\n" + "".join(f"{s},{t}\n" for s, t in made.items()))
    assert read_tokens(path) == made and len(set(made.values())) == 2
    with pytest.raises(InputError, match="named twice"):
        new_tokens(["ada", "ada"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("student,token\nada,short\n", "row 2 needs"),
        ("student\nada\n", "row 2 needs"),
        ("student,token\na b,0123456789abcdef\n", "student is"),
        ("student,token\nada,0123456789abcdef\nbob,0123456789abcdef\n", "row 3 repeats"),
    ],
)
def test_bad_token_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "tokens.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_tokens(tmp_path / "tokens.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_tokens(tmp_path / "gone.csv")


def test_an_address_that_is_taken_is_an_error(server: OracleServer, tmp_path: Path) -> None:
    port: Any = server.server_address[1]
    with pytest.raises(InputError, match="the oracle cannot begin"):
        OracleServer("code", TOKENS, tmp_path, port=port)


def test_what_is_sent_back_is_checked(server: OracleServer, monkeypatch: pytest.MonkeyPatch) -> None:
    game = Game("ada", "code", oracle=server.address, token=TOKENS["ada"])
    changed = json.dumps({"kind": "train"}) + "\n"
    monkeypatch.setattr(OracleClient, "train", lambda *_: changed)
    before = game.ledger
    with pytest.raises(InputError, match="entry 1 does not hold"):
        game.train(4e4, 1e6)
    assert game.ledger is before

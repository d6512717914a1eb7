import unittest

from portcullis_django import decode_groups, decode_identity


def as_meta(raw: bytes) -> str:
    return raw.decode("latin-1")


class DecodeIdentity(unittest.TestCase):
    def test_reads_what_the_gateway_writes(self):
        for raw, text in [
            (b"alice", "alice"),
            (b"", ""),
            (b"\xc3\xa9lise", "élise"),
            ("日本".encode(), "日本"),
            (b"a%2C b", "a, b"),
            (b"100%25", "100%"),
            (b"%20a b%20", " a b "),
            (b"a%0D%0AX: y", "a\r\nX: y"),
            (b"%2C2C", ",2C"),
            (b"%252C", "%2C"),
        ]:
            with self.subTest(raw=raw):
                self.assertEqual(decode_identity(as_meta(raw)), text)

    def test_refuses_what_the_gateway_cannot_have_written(self):
        for raw in [
            b"alice,bob",  # two headers, joined by the server
            b"alice, bob",
            b"alice,",
            b"\xe9lise",  # Latin-1
            b"\xff",
            b"%FF",
            b"\xc0\xafx",  # an overlong form
            b"\xed\xa0\x80",  # a surrogate
            b"a%",
            b"a%2",
            b"a%zz",
            b"a%+1",
            b" alice",
            b"alice ",
            b"a\tb",
            b"a\nb",
            b"a\x00b",
            b"a%00b",
            b"a\x7fb",
        ]:
            with self.subTest(raw=raw), self.assertRaises(ValueError):
                decode_identity(as_meta(raw))

    def test_refuses_text_that_no_server_reads_from_bytes(self):
        with self.assertRaises(ValueError):
            decode_identity("日本")


class DecodeGroups(unittest.TestCase):
    def test_splits_before_decoding(self):
        self.assertEqual(decode_groups("editors,a%2C b"), ["editors", "a, b"])
        self.assertEqual(decode_groups(as_meta("é,ü".encode())), ["é", "ü"])
        self.assertEqual(decode_groups(""), [])

    def test_refuses_empty_names_and_a_second_header(self):
        for value in [",", "a,", ",a", "a,,b", "a, b"]:
            with self.subTest(value=value), self.assertRaises(ValueError):
                decode_groups(value)

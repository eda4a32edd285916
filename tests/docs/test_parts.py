"""The parts of this test by value: each has to see what is wrong."""

import tempfile
import unittest
from pathlib import Path

import links
import make
import output
import session
from pages import BadPage, blocks_of


def fenced(language, *lines):
    return "\n".join([f"```{language}", *lines, "```", ""])


class Pages(unittest.TestCase):
    def test_a_command_block_without_a_marker_is_an_error(self):
        with self.assertRaisesRegex(BadPage, "p.md:3: a block of sh without a marker"):
            blocks_of("p.md", "# Title\n\n" + fenced("sh", "true"))

    def test_a_marker_has_to_say_why_a_block_is_not_run(self):
        with self.assertRaises(BadPage):
            blocks_of("p.md", "<!-- not run: -->\n" + fenced("sh", "true"))

    def test_a_marker_without_a_block_is_an_error(self):
        with self.assertRaisesRegex(BadPage, "a marker without a block"):
            blocks_of("p.md", "<!-- run -->\n\nSome words.\n")

    def test_a_text_block_is_the_output_of_the_block_before_it(self):
        (block,) = blocks_of("p.md", "<!-- run: exit=1 -->\n" + fenced("sh", "false") + "\n" + fenced("text", "no"))
        self.assertEqual((block.kind, block.options, block.text, block.output), ("run", {"exit": "1"}, "false\n", "no\n"))

    def test_a_text_block_of_nobody_is_an_error(self):
        with self.assertRaisesRegex(BadPage, "is no output"):
            blocks_of("p.md", fenced("text", "hello"))

    def test_hidden_blocks_and_blocks_of_a_list_lose_their_indent(self):
        text = '   <!-- shell: background=hub until="is ready"\n   a\n     b\n   -->\n   <!-- run -->\n   ```sh\n   c\n   ```\n'
        hidden, shown = blocks_of("p.md", text)
        self.assertEqual((hidden.text, hidden.options), ("a\n  b\n", {"background": "hub", "until": "is ready"}))
        self.assertEqual(shown.text, "c\n")


class Commands(unittest.TestCase):
    def test_an_entry_of_help_becomes_a_name_and_words(self):
        text = [
            "  ID TEXT REQUIRED            device id",
            "  BODY TEXT                   the text, or @FILE",
            "  --json                      print JSON",
            "  --module ID Needs: --device of this module",
            "  --connection-string STRING Excludes: --device",
            "                              of any connection string",
            "  --timeout S:INT in [5 - 300]=30",
            "                              time to answer",
            "  --key TEXT:{primary,secondary} REQUIRED",
            "                              which of the two",
            "  --status TEXT:{enabled,disabled}",
            "  --property NAME=VALUE       several times",
        ]
        self.assertEqual(make.rows(text), [
            ["ID", "device id"],
            ["[BODY]", "the text, or @FILE"],
            ["--json", "print JSON"],
            ["--module ID", "of this module; with `--device`"],
            ["--connection-string STRING", "of any connection string; not with `--device`"],
            ["--timeout S", "time to answer; 5 to 300; 30 unless given"],
            ["--key primary|secondary", "which of the two; has to be given"],
            ["--status enabled|disabled", ""],
            ["--property NAME=VALUE", "several times"],
        ])


class Output(unittest.TestCase):
    def test_the_same_text_and_what_differs_from_run_to_run(self):
        self.assertIsNone(output.differs("a 2026-01-05T10:00:01Z\n", "a 2031-12-31T23:59:59.1234567Z\n"))
        self.assertIsNone(output.differs("x ... z\n...\nend\n", "x y z\n1\n2\nend\n"))

    def test_another_text_differs(self):
        self.assertIn("+b", output.differs("a\n", "b\n"))
        self.assertIsNotNone(output.differs("a\n", "a\nb\n"))
        self.assertIsNotNone(output.differs("a\nb\n", "a\n"))
        self.assertIsNotNone(output.differs("sig=x\n", "signature\n"))

    def test_what_goes_on_has_to_begin_as_shown(self):
        self.assertTrue(output.begins("a\n...\nc\n", "a\nb\nc\nd\n"))
        self.assertFalse(output.begins("a\n...\nc\n", "a\nb\n"))
        self.assertFalse(output.begins("a\nb\n", "a\n"))
        self.assertTrue(output.begins("a\nb...\n...\nc\n", "a\nbcd\nd\nc\n"))

    def test_what_threads_say_comes_in_any_order_but_with_nothing_between(self):
        self.assertTrue(output.begins("a\nb\nc\n...\n", "a\nc\nb\nd\n"))
        self.assertTrue(output.begins("a\n...\nb\nc\n", "a\nx\nc\nb\n"))
        self.assertFalse(output.begins("a\nb\n...\n", "a\nx\nb\n"))
        self.assertFalse(output.begins("a\na\n...\n", "a\nb\n"))


class Links(unittest.TestCase):
    def test_missing_files_and_headings_are_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "b.md").write_text("# A `b`: c\n```sh\n# no heading\n```\n")
            page = root / "a.md"
            page.write_text("[1](b.md#a-b-c) [2](b.md#no-heading) [3](c.md) [4](../x.md) `[5](d.md)` [6](https://x.test/)\n")
            problems = list(links.broken(root, page))
            self.assertEqual(len(problems), 3, problems)


class Shell(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.shell = session.Shell(self.folder.name, {"PATH": "/usr/bin:/bin"})

    def tearDown(self):
        self.shell.close()
        self.folder.cleanup()

    def test_one_block_finds_what_another_one_set(self):
        self.shell.run("x=1; mkdir d; cd d\n")
        self.assertEqual(self.shell.run('echo "$x $(basename "$PWD")"\n'), "1 d\n")

    def test_each_command_has_to_succeed(self):
        with self.assertRaisesRegex(session.Failed, "exit status 1"):
            self.shell.run("false\ntrue\n")

    def test_an_expected_status_has_to_come(self):
        self.assertEqual(self.shell.run("(exit 3)\n", "3"), "")
        self.shell.run("false\n", "failure")
        for wanted in ("3", "failure"):
            with self.assertRaises(session.Failed):
                self.shell.run("true\n", wanted)

    def test_a_block_that_does_not_end_is_told_with_what_it_printed(self):
        self.shell.run("true\n")  # the start of the shell is not the block's
        with self.assertRaisesRegex(session.Failed, "(?s)not done within.*begun"):
            self.shell.run("echo begun; sleep 30\n", seconds=5)

    def test_a_background_block_that_ends_early_is_told(self):
        with self.assertRaisesRegex(session.Failed, "(?s)ended before.*sorry"):
            self.shell.start("hub", "echo sorry\n", "ready", 60)

    def test_a_background_block_has_ended_with_all_that_it_runs(self):
        # The signal ends the block's shell at once, and leaves the hub its time.
        hub = "trap 'sleep 1; touch ended; exit' TERM; echo hub begun; while :; do sleep 0.1; done"
        self.shell.start("hub", f'bash -c "{hub}"\n', "hub begun", 60)
        self.shell.close()
        self.assertTrue((Path(self.folder.name) / "ended").exists())

"""The grammar of bash, from characters to simple commands in order.

It is strict: what it does not know is an error, and an error makes the line
unclear. After one it goes on behind the next separator, because commands found
there may still be ones that are denied.

Rules
- Every simple command of every branch, loop body, function body, subshell and
  substitution is listed, since each may run.
- Words are read by `Scanner`; reserved words are those that are not quoted and
  stand where a command may begin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from holdfast.adapters.shell.programs import safe_name
from holdfast.adapters.shell.scanner import META, OPAQUE, PLAIN, Scanner, Unreadable, Word

SIMPLE_MAX = 500
_RESUMES_MAX = 50
_OPERATORS = (
    "<<<", "<<-", "&>>", ";;&", "&&", "||", "|&", ";;", ";&", "&>", "<<", "<&", "<>", ">>",
    ">&", ">|", ";", "&", "|", "<", ">", "(", ")", "\n",
)  # fmt: skip
_REDIRECTS = frozenset(("<<<", "<<-", "&>>", "&>", "<<", "<&", "<>", ">>", ">&", ">|", "<", ">"))
_CLOSERS = frozenset(("then", "do", "done", "fi", "elif", "else", "esac", "}", "in", "]]"))
_DIGITS, _ANGLES = frozenset("0123456789"), frozenset("<>")
_BODY_ENDS = frozenset((";;", ";&", ";;&"))


@dataclass(slots=True)
class Redirect:
    """One redirection of a file."""

    operator: str
    target: Word
    body: str = ""


@dataclass(slots=True)
class Simple:
    """One simple command as it was read."""

    words: list[Word] = field(default_factory=list)
    assigned: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    pipe: int = 0
    test: bool = False


@dataclass(slots=True)
class Found:
    """What one line and all texts nested in it came to."""

    simples: list[Simple] = field(default_factory=list)
    unclear: str = ""
    pipes: int = 0

    def doubt(self, why: str) -> None:
        """Say that the line is not clear; the first reason stays."""
        self.unclear = self.unclear or why


class Parser(Scanner):
    """Reads a list of commands.

    Args:
        found: what is found goes here.
    """

    def __init__(self, text: str, found: Found, depth: int = 0) -> None:
        super().__init__(text, depth)
        self.found = found
        self._bodies: list[tuple[Redirect, str, bool, bool]] = []
        self._compounds: dict[str, Callable[[], None]] = {
            "(": self._subshell, "{": self._group, "if": self._if, "while": self._while,
            "until": self._while, "for": self._for, "select": self._for, "case": self._case,
            "[[": self._test, "function": self._function, "coproc": self._coproc,
        }  # fmt: skip

    def run(self) -> None:
        """Read the whole text."""
        for _ in range(_RESUMES_MAX):
            place, depth = self.at, self.depth
            try:
                self._list(frozenset())
                if not self.peek():
                    self._no_bodies()
                    return
                raise Unreadable(f"has {self.peek()!r} where no such thing can be")
            except Unreadable as why:
                self.found.doubt(str(why))
                if len(self.found.simples) >= SIMPLE_MAX:
                    return
            self.depth = depth
            self._bodies.clear()
            self.at = max(self.at, place)
            while self.peek() and self.peek() not in ";&|\n()":
                self.at += 1
            self.at += 1
            if not self.peek():
                return

    def commands(self, closing: str) -> None:
        """Read nested commands up to and with the closing parenthesis."""
        waiting, self._bodies = self._bodies, []
        self._list(frozenset())
        self._no_bodies()
        self._bodies = waiting
        self._expect(closing)

    def nested(self, text: str) -> None:
        """Read the commands of a text in backquotes."""
        Parser(text, self.found, self.depth).run()

    # --- tokens ----------------------------------------------------------------------

    def _blanks(self) -> None:
        """Skip blanks, line continuations and comments."""
        while True:
            char = self.peek()
            if char in (" ", "\t"):
                self.at += 1
            elif char == "\\" and self.peek(1) == "\n":
                if self.at and self.text[self.at - 1] not in " \t\n":
                    self.found.doubt("continues a line within a word")
                self.at += 2
            elif char == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def _operator(self) -> str:
        """The operator that comes next, or "". `<(` and `>(` begin a word."""
        self._blanks()
        if self.ahead("<(") or self.ahead(">("):
            return ""
        if self.peek() not in META:
            return ""
        return next((one for one in _OPERATORS if self.ahead(one)), "")

    def _expect(self, operator: str) -> None:
        self._newlines()
        if self._operator() != operator:
            raise Unreadable(f"lacks {operator!r}")
        self.at += len(operator)

    def _newlines(self) -> None:
        while self._operator() == "\n":
            self._newline()

    def _newline(self) -> None:
        """Take a line end, and the here-documents that begin behind it."""
        self.at += 1
        bodies, self._bodies = self._bodies, []
        for redirect, delimiter, literal, tabs in bodies:
            redirect.body = self._body(delimiter, tabs)
            if literal:
                continue
            if any(line.endswith("\\") for line in redirect.body.split("\n")):
                self.found.doubt("has a here-document with continued lines")
            self.found.doubt(self.body(redirect.body).unclear)

    def _body(self, delimiter: str, tabs: bool) -> str:
        lines: list[str] = []
        while self.peek():
            end = self.text.find("\n", self.at)
            end = len(self.text) if end < 0 else end
            line = self.text[self.at : end]
            self.at = min(end + 1, len(self.text))
            line = line.lstrip("\t") if tabs else line
            if line == delimiter:
                return "\n".join(lines)
            lines.append(line)
        raise Unreadable("has a here-document that does not end")

    def _no_bodies(self) -> None:
        if self._bodies:
            raise Unreadable("has a here-document without a body")

    def _reserved(self) -> str:
        """The plain word that comes next, to see if it is a reserved one, or ""."""
        self._blanks()
        at = self.at
        while (char := self.peek(at - self.at)) and char not in META:
            if char in "\\'\"$`" or at - self.at > 8:
                return ""
            at += 1
        return self.text[self.at : at]

    def _take(self, reserved: str) -> None:
        """Take a reserved word.

        Raises:
            Unreadable: another word stands there.
        """
        self._newlines()
        if self._reserved() != reserved:
            raise Unreadable(f"lacks {reserved!r}")
        self.at += len(reserved)

    # --- lists -----------------------------------------------------------------------

    def _list(self, ends: frozenset[str]) -> None:
        """Read commands up to a reserved word of `ends`, `)`, `;;` or the end."""
        self._newlines()
        count = 0
        while not self._at_end(ends):
            self._pipelines()
            count += 1
            operator = self._operator()
            if operator in ("&", ";"):
                self.at += 1
            elif operator == "\n":
                self._newline()
            else:
                break
            self._newlines()
        if not count and (ends or self.depth):
            raise Unreadable("lacks a command")

    def _at_end(self, ends: frozenset[str]) -> bool:
        operator = self._operator()
        if not self.peek() or operator == ")" or operator in _BODY_ENDS:
            return True
        return not operator and self._reserved() in ends

    def _pipelines(self) -> None:
        """Read pipelines joined by `&&` and `||`."""
        self._pipeline()
        while self._operator() in ("&&", "||"):
            self.at += 2
            self._newlines()
            self._pipeline()

    def _pipeline(self) -> None:
        while self._reserved() in ("!", "time"):
            if self._reserved() == "time":
                self._time()
            else:
                self.at += 1
        first = len(self.found.simples)
        self._command()
        piped = False
        while (operator := self._operator()) in ("|", "|&"):
            self.at += len(operator)
            self._newlines()
            self._command()
            piped = True
        if piped:
            self._feed(first)

    def _feed(self, first: int) -> None:
        """Note that all commands from `first` on feed one another."""
        self.found.pipes += 1
        for simple in self.found.simples[first:]:
            simple.pipe = self.found.pipes

    def _time(self) -> None:
        simple = Simple([self.word()])
        while self._reserved() in ("-p", "--"):
            simple.words.append(self.word())
        self._add(simple)

    def _add(self, simple: Simple) -> None:
        if len(self.found.simples) >= SIMPLE_MAX:
            raise Unreadable(f"has more than {SIMPLE_MAX} commands")
        self.found.simples.append(simple)

    # --- commands --------------------------------------------------------------------

    def _command(self) -> None:
        self.deeper()
        operator, reserved = self._operator(), self._reserved()
        compound = self._compounds.get(operator or reserved)
        if operator and operator not in _REDIRECTS and compound is None:
            raise Unreadable(f"has {operator!r} where a command should be")
        if compound is None and reserved in _CLOSERS:
            raise Unreadable(f"has {reserved!r} where a command should be")
        if not self.peek():
            raise Unreadable("ends where a command should be")
        if compound is None:
            self._simple()
        else:
            first = len(self.found.simples)
            compound()
            self._redirected(first)
        self.depth -= 1

    def _redirected(self, first: int) -> None:
        """Read the redirections of a compound command; they count for all in it."""
        simple = Simple()
        while self._redirect(simple):
            pass
        if not simple.redirects:
            return
        inside = self.found.simples[first:]
        if inside:
            inside[0].redirects.extend(simple.redirects)
        else:
            self._add(simple)

    def _subshell(self) -> None:
        if self.ahead("(("):
            self.found.doubt("computes a number")
            text = Word()
            self.at -= 1  # as if a dollar sign stood before it
            self._arithmetic(text, "))")
            return
        self.at += 1
        self._list(frozenset())
        self._expect(")")

    def _group(self) -> None:
        self.at += 1
        if self.peek() not in (" ", "\t", "\n"):
            raise Unreadable("has '{' where a command should be")
        self._list(frozenset("}"))
        self._take("}")

    def _if(self) -> None:
        self.at += 2
        self._list(frozenset(("then",)))
        self._take("then")
        self._list(frozenset(("elif", "else", "fi")))
        while self._reserved() == "elif":
            self.at += 4
            self._list(frozenset(("then",)))
            self._take("then")
            self._list(frozenset(("elif", "else", "fi")))
        if self._reserved() == "else":
            self.at += 4
            self._list(frozenset(("fi",)))
        self._take("fi")

    def _while(self) -> None:
        self.at += 5
        self._list(frozenset(("do",)))
        self._do()

    def _do(self) -> None:
        self._take("do")
        self._list(frozenset(("done",)))
        self._take("done")

    def _for(self) -> None:
        self.at += len(self._reserved())
        if self._operator():
            raise Unreadable("has a kind of loop that is not understood")
        name = self.word().plain()
        if not (name and name.isidentifier() and name.isascii()):
            raise Unreadable("has a loop whose variable has no proper name")
        if not (safe_name(name) or (name.isalpha() and name.islower())):
            self.found.doubt(f"sets the variable {name}")
        self._newlines()
        if self._reserved() == "in":
            self.at += 2
            while not self._operator() and self.peek():
                self.found.doubt(self.word().unclear)
        if self._operator() == ";":
            self.at += 1
        self._do()

    def _case(self) -> None:
        self.at += 4
        self._blanks()
        self.found.doubt(self.word().unclear)
        self._take("in")
        self._newlines()
        while self._reserved() != "esac":
            if self._operator() == "(":
                self.at += 1
            self._patterns()
            if self._at_end(frozenset(("esac",))) is False:
                self._list(frozenset(("esac",)))
            self._newlines()
            if self._operator() in _BODY_ENDS:
                self.at += len(self._operator())
            elif self._reserved() != "esac":
                raise Unreadable("lacks 'esac'")
            self._newlines()
        self._take("esac")

    def _patterns(self) -> None:
        """Read `a | b )`."""
        while True:
            if self._operator() or not self.peek():
                raise Unreadable("has a pattern that is not understood")
            self.found.doubt(self.word().unclear)
            operator = self._operator()
            if operator not in ("|", ")"):
                raise Unreadable("has a pattern that is not understood")
            self.at += 1
            if operator == ")":
                self._newlines()
                return

    def _test(self) -> None:
        """Read `[[ … ]]`: the words in it, operators as words of their own."""
        simple = Simple(test=True)
        while True:
            operator = self._operator()
            if not self.peek():
                raise Unreadable("lacks ']]'")
            if operator in ("\n", ";", "&", "|"):
                raise Unreadable("has a test that is not understood")
            if operator:
                word = Word(self.at)
                word.put(operator, PLAIN)
                self.at += len(operator)
            else:
                word = self.word()
            simple.words.append(word)
            if word.plain() == "]]":
                break
        self._add(simple)

    def _function(self) -> None:
        self.at += 8
        self._blanks()
        name = self.word()
        if self._operator() == "(":
            self.at += 1
            self._expect(")")
        self._function_body(name)

    def _function_body(self, name: Word) -> None:
        """Read a function; it is listed as a command `function` with its name."""
        self.found.doubt("defines a function")
        keyword = Word()
        keyword.put("function", PLAIN)
        self._add(Simple([keyword, name]))
        self._newlines()
        self._command()

    def _coproc(self) -> None:
        self.found.doubt("starts a coprocess")
        self.at += 6
        self._command()

    # --- simple commands ---------------------------------------------------------------

    def _simple(self) -> None:
        simple = Simple()
        first = len(self.found.simples)
        fed = False
        while True:
            if self._redirect(simple):
                fed = fed or simple.redirects[-1].target.substituted
                continue
            if self._operator() or not self.peek():
                break
            word = self.word()
            if word.text.startswith("{") and self.peek() in _ANGLES:
                word.doubt("lets a variable stand for an open file")
            fed = fed or word.substituted
            assigns = not simple.words and _assigns(word)
            (simple.assigned if assigns else simple.words).append(word)
            if assigns and self.peek() == "(":
                raise Unreadable("sets an array")
        if len(simple.words) == 1 and not simple.assigned and self._operator() == "(":
            self.at += 1
            self._expect(")")
            self._function_body(simple.words[0])
            return
        self._add(simple)
        if fed:
            self._feed(first)

    def _redirect(self, simple: Simple) -> bool:
        """Read one redirection, with the number before it; False if there is none."""
        self._blanks()
        place = self.at
        while self.peek() in _DIGITS:
            self.at += 1
        numbered = self.at > place
        operator = self._operator() if not numbered or self.peek() in _ANGLES else ""
        if operator not in _REDIRECTS:
            self.at = place
            return False
        self.at += len(operator)
        self._blanks()
        if self._operator() or not self.peek():
            raise Unreadable("lacks the file of a redirection")
        redirect = Redirect(operator, self.word())
        simple.redirects.append(redirect)
        if operator in ("<<", "<<-"):
            self._here(redirect)
        return True

    def _here(self, redirect: Redirect) -> None:
        """Note that a here-document begins behind this line."""
        delimiter = redirect.target
        if delimiter.unclear or OPAQUE in delimiter.mask or not delimiter.text.isprintable():
            raise Unreadable("has a here-document whose end is not understood")
        if not delimiter.text or "\n" in self.text[delimiter.start : self.at]:
            raise Unreadable("has a here-document whose end is not understood")
        literal = delimiter.plain() is None
        self._bodies.append((redirect, delimiter.text, literal, redirect.operator == "<<-"))


def _assigns(word: Word) -> bool:
    """Whether a word before the program sets a variable: `NAME=`, `NAME+=`, `NAME[`."""
    before, equals, _ = word.text.partition("=")
    name = before.removesuffix("+")
    plain = all(mark == PLAIN for mark in word.marks[: len(before) + 1])
    if equals and plain and name.isidentifier() and name.isascii():
        return True
    name, bracket, _ = word.text.partition("[")
    if bracket and name.isidentifier() and name.isascii():
        word.doubt("sets an element of an array")
        return "=" in word.text
    return False

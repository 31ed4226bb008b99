r"""What a run has begun and not ended yet, one line each: written before it acts, struck off after.

The same lines are told to the reaper (:mod:`harness.reaper`) and stand in a file for whoever comes
later (``stormproof sweep``). A line is words with single blanks between them; blanks and whatever is
not plain ASCII are written as in a Python string (:func:`word`)::

    stormproof-ledger 1 RUN OWNER CONTROLLER     the first line; see :class:`Owner`
    reaper PID START                             who will undo it
    group PID START                              an entry: a kind (:mod:`harness.undo`) and its words
    forget ENTRY                                 the run itself undid it
    undone ENTRY                                 the reaper or a sweep undid it
    failed REASON ENTRY                          they tried, and could not
    ended COUNT                                  so many processes were killed by them
    done                                         all is undone

Each line is one write to the end of the file, so it is there whole, or cut where the disk was full or
the machine died; a line without its end, or that was cut and ended later (by ``~``), counts for
nothing. Lean, as the reaper imports it.
"""

from harness.ledger.book import Book, lines_of, read
from harness.ledger.ledger import Ledger
from harness.ledger.marks import OWNER_FILE, PREFIX, Folder, folders, mark
from harness.ledger.owner import NOBODY, OWNER_MARKER, Owner, here, unword, word
from harness.ledger.page import SUFFIX, Page, discard, listed, state_folders, temporary_folders

__all__ = [
    "NOBODY",
    "OWNER_FILE",
    "OWNER_MARKER",
    "PREFIX",
    "SUFFIX",
    "Book",
    "Folder",
    "Ledger",
    "Owner",
    "Page",
    "discard",
    "folders",
    "here",
    "lines_of",
    "listed",
    "mark",
    "read",
    "state_folders",
    "temporary_folders",
    "unword",
    "word",
]

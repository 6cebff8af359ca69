"""Finding registered values in texts, plain or encoded.

Words
- Value: what was registered, as UTF-8.
- Level: the text itself (0), or all that could be decoded from the level above.
- Fold: a level with everything that is not a letter or digit left out and the rest
  in one form: lower case, no accents, look-alikes replaced.
- Pattern: what the automata look for; a value's fold, the same reversed or rot13.
"""

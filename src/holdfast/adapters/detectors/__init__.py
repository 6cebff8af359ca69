"""What looks at texts: canonical forms, hidden text, injected instructions.

- *canonical text*: a text as a reader would take it: look-alikes folded, the
  invisible removed, white space in single spaces; each character knows its origin.
- *view*: a text read in another way, as "base64" or "reversed".
- *rule*: a pattern whose match is evidence of a certain weight.
- *key*: a word that every match of a rule holds; without one, the rule is not tried.
- *mention*: a match in a text that speaks about attacks; it weighs little.
"""

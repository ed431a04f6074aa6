"""Text to tree and back.

`characters` (bytes to text) -> `lexing` (tokens and newline rules; `lexemes` and `documentation` help) -> `parse` (the
loop over `tables`, which `grammar` makes from `grammar/expr.lark`; `build` and `blocks` make the nodes of `ast`) ->
`check`.  After an error `unexpected`, `situation` and `slips` find the words.  `format` and `unparse` write text.
"""

"""How well the ear hears: scores of every detector, beside those of other programs where they are installed."""

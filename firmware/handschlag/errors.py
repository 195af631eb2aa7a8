"""The one base of all errors of this product.

Every error says what is wrong, where, what is allowed and what to do. Each room derives its own errors from
`HandschlagError` and from the builtin that a caller without knowledge of this product would expect, as in
`class BadSetting(HandschlagError, ValueError)`.
"""


class HandschlagError(Exception):
    """Something in this product went wrong in a way that has a name."""

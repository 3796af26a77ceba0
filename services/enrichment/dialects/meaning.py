"""A value of a fact, as a file writes it."""

from libs.schemas.dictionary import Definition, Kind
from libs.schemas.document import DocumentError, Node
from libs.schemas.findings import FactValue


def value_of(definition: Definition, node: Node) -> FactValue:
    """A value as its fact's kind is written: yes or no, a step's name, a whole number. Raises DocumentError."""
    if definition.kind is Kind.YES_NO:
        return node.flag()
    if definition.kind is Kind.SCALE:
        return node.choice(list(definition.steps), "step")
    value = node.whole()
    if definition.bounds(value) is None:
        raise DocumentError([f"{node.place}: {definition.name} {definition.wanted()}"])
    return value
